import { Alert, Button, Stack, Text } from '@mantine/core'
import { IconEyeOff } from '@tabler/icons-react'
import { useState } from 'react'
import { useClaim } from '@/api/queries'
import { Entrance } from '@/app/Entrance'
import { Commands } from '@/pages/enroll/Commands'
import { codeOfLink } from '@/ui/code'
import { Failure } from '@/ui/Failure'
import { Countdown } from '@/ui/time'

export function Page() {
  const [code] = useState(codeOfLink)
  const claim = useClaim()
  if (!code) {
    return (
      <Entrance title="Enrollment token">
        <Text size="sm">This address is not complete: a claim link ends in "#" and a code. Copy the whole link.</Text>
      </Entrance>
    )
  }
  if (claim.data) {
    return (
      <Entrance
        title={`Enroll ${claim.data.kind} ${claim.data.id}`}
        about="This is the only time that it is shown. Run it on the host."
      >
        <Stack>
          <Commands
            commands={claim.data.install_commands}
            first={claim.data.install_command}
            token={claim.data.token}
          />
          <Text size="sm">
            The token expires in <Countdown to={claim.data.expires_at} />.
          </Text>
        </Stack>
      </Entrance>
    )
  }
  return (
    <Entrance
      title="Enrollment token"
      about="Somebody who runs this controller made a token for you to enroll one host."
    >
      <Stack>
        <Alert color="yellow" icon={<IconEyeOff size={18} />} title="It can be shown once">
          <Text size="sm" c="var(--mantine-color-text)">
            Be at the host's terminal before you go on. The first to open the link gets the token; the operator sees
            that it was opened, when and from where. If it says that the link was used and that was not you, tell the
            operator at once.
          </Text>
        </Alert>
        {claim.error && <Failure error={claim.error} />}
        <Button onClick={() => claim.mutate(code)} loading={claim.isPending} disabled={claim.isError}>
          Show the token
        </Button>
      </Stack>
    </Entrance>
  )
}
