import { Alert, Button, Container, Stack, Text, Title } from '@mantine/core'
import { IconPlugConnectedX } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { useRouteError } from 'react-router'
import { MissingCode, reloadFor, whenServing } from './code'

/** What is left when a page fails: a defect, or code that could not be loaded. */
export function Broken() {
  const err = useRouteError()
  if (err instanceof MissingCode) return <Missing what={err.what} />
  return (
    <Failed>
      {err instanceof Error ? err.message : 'Unknown error'}. If the controller was just upgraded, reload the page to
      get the new version.
    </Failed>
  )
}

/** Waits for the controller and then loads the page anew: once, because twice would be a loop. */
function Missing({ what }: { what: string }) {
  const [given, giveUp] = useState(false)
  useEffect(() => whenServing(() => reloadFor(what) || giveUp(true)), [what])
  if (given) {
    return <Failed>The controller answers, but does not have the code of this page, also after a reload.</Failed>
  }
  return (
    <Container size="xs" py={80}>
      <Alert
        color="yellow"
        icon={<IconPlugConnectedX size={18} aria-hidden="true" />}
        title="This page is not loaded yet"
        role="status"
      >
        <Text size="sm" c="var(--mantine-color-text)">
          The controller does not answer. The page opens by itself when it does.
        </Text>
      </Alert>
    </Container>
  )
}

function Failed({ children }: { children: React.ReactNode }) {
  return (
    <Container size="xs" py={80}>
      <Stack align="flex-start">
        <Title order={1}>This page failed</Title>
        <Text c="dimmed">{children}</Text>
        <Button onClick={() => window.location.reload()}>Reload</Button>
      </Stack>
    </Container>
  )
}
