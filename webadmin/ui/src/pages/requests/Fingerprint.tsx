import { Text } from '@mantine/core'

/** The code and fingerprint that both screens must show. Only the host shows the last group. */
export function Fingerprint({ code, start }: { code: string; start: string }) {
  return (
    <div style={{ background: 'var(--sunken)', borderRadius: 8, padding: '12px 14px' }}>
      <Text size="xs" c="dimmed">
        Code
      </Text>
      <Text className="mono" size="xl" fw={600} lts="0.08em">
        {code}
      </Text>
      <Text size="xs" c="dimmed" mt={8}>
        Fingerprint
      </Text>
      <Text className="mono wrap" size="sm">
        {start}-<span aria-label="and a last group that only the host shows">····</span>
      </Text>
    </div>
  )
}
