import { Alert, Button, Stack, Text } from '@mantine/core'
import { IconEyeOff } from '@tabler/icons-react'
import { useClaim } from '@/api/changes'
import { Entrance } from '@/app/Entrance'
import { Commands } from '@/pages/enroll/Commands'
import { useCodeOfLink } from '@/ui/code'
import { Failure } from '@/ui/Failure'
import { Leaving } from '@/ui/leaving'
import { Countdown } from '@/ui/time'

export function Page() {
  const code = useCodeOfLink()
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
          <Leaving loses="The link does not open a second time. Run the command first, or copy the token." />
        </Stack>
      </Entrance>
    )
  }
  return (
    <Entrance
      title="Enrollment token"
      about="An operator of this controller created a token for you to enroll one host."
    >
      <Stack>
        <Alert color="yellow" icon={<IconEyeOff size={18} />} title="It can be shown once">
          <Text size="sm" c="var(--mantine-color-text)">
            Open the host's terminal first. Only the first person who opens the link gets the token; the operator sees
            when and from which address it was opened. If the link was already used and not by you, tell the operator at
            once.
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
