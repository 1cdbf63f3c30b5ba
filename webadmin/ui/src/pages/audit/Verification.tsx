import { Group, Text } from '@mantine/core'
import { IconShieldCheck, IconShieldX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { verification } from '@/api/queries'
import { Failure } from '@/ui/Failure'
import { Loading } from '@/ui/Page'
import { Ago } from '@/ui/time'

/** Whether the log is what it was, and who besides this controller says so. */
export function Verification() {
  const { data: v, error, refetch } = useQuery(verification)
  if (error) return <Failure error={error} retry={() => refetch()} />
  const good = v?.state === 'ok' || v?.state === 'verified'
  return (
    <section className="surface" aria-label="Verification" style={{ padding: '12px 16px', marginBottom: 16 }}>
      {!v ? (
        <Loading lines={1} />
      ) : (
        <Group gap="md" align="flex-start">
          {good ? (
            <IconShieldCheck size={22} color="var(--good)" aria-hidden="true" />
          ) : (
            <IconShieldX size={22} color="var(--bad)" aria-hidden="true" />
          )}
          <div style={{ flex: 1, minWidth: 220 }}>
            <Text size="sm" fw={560}>
              Verification: {v.state}
            </Text>
            <Text size="sm" c="dimmed">
              {v.detail}
              {v.checkpoint && (
                <>
                  {v.detail && ' '}
                  Last checkpoint over {v.checkpoint.size.toLocaleString()} events, <Ago at={v.checkpoint.at} />.
                </>
              )}
            </Text>
          </div>
          {v.witnesses && (
            <Text size="sm" c="dimmed">
              {v.witnesses.length === 0
                ? 'No connector has witnessed it yet'
                : `Witnessed by ${v.witnesses.length.toLocaleString()}`}
            </Text>
          )}
        </Group>
      )}
    </section>
  )
}
