import { Text } from '@mantine/core'
import { useDeny } from '@/api/changes'
import type { EnrollRequest } from '@/api/types'
import { Confirm } from '@/ui/Confirm'

export function Deny({ request: r, close }: { request: EnrollRequest; close: () => void }) {
  const deny = useDeny()
  return (
    <Confirm
      title={`Deny ${r.kind} ${r.id}`}
      action="Deny"
      pending={deny.isPending}
      error={deny.error}
      close={close}
      confirm={() => deny.mutate(r.enrollment_request_id, { onSuccess: close })}
    >
      <Text size="sm">The host shows that its request was denied. It may send a new one.</Text>
    </Confirm>
  )
}
