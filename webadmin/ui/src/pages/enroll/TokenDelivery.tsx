import { Alert, Stack, Text } from '@mantine/core'
import type { CreatedToken } from '@/api/types'
import { Command } from '@/ui/Copy'
import { Section } from '@/ui/Page'
import { Countdown } from '@/ui/time'
import { Commands } from './Commands'

/** The new token and the command to run; shown only once. */
export function TokenDelivery({ created }: { created: CreatedToken }) {
  return (
    <Section
      title={created.claim_url ? 'Send this link' : 'Run this on the host'}
      aside={
        <Text size="sm" c="dimmed">
          expires in <Countdown to={created.expires_at} warn={120} />
        </Text>
      }
    >
      <Stack>
        {created.claim_url && (
          <>
            <Command value={created.claim_url} label="link" />
            {created.link_warning && (
              <Text size="sm" c="var(--warn)">
                Careful: {created.link_warning}.
              </Text>
            )}
            <Text size="sm" c="dimmed">
              It can be opened once. This page shows when and from which address it was opened. If that was not the
              person to whom you sent it, revoke the token.
            </Text>
          </>
        )}
        {created.sealed_token && (
          <>
            <Command value={created.sealed_token} label="sealed token" />
            <Text size="sm" c="dimmed">
              Only the host with the private key of <span className="mono wrap">{created.recipient}</span> can open it,
              so you can send it over any channel.
            </Text>
          </>
        )}
        {(created.install_command || created.token) && !created.claim_url && (
          <Commands commands={created.install_commands} first={created.install_command} token={created.token} />
        )}
        <Alert color="yellow" p="xs">
          <Text size="sm" c="var(--mantine-color-text)">
            This is not shown again, also not after a reload. Keep this page open until the host is online.
          </Text>
        </Alert>
      </Stack>
    </Section>
  )
}
