import { Text } from '@mantine/core'

/** What both screens must show alike. */
export function Fingerprint({ code, fingerprint }: { code: string; fingerprint: string }) {
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
        {fingerprint}
      </Text>
    </div>
  )
}
