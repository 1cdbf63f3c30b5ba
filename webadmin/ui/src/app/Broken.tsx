import { Button, Container, Stack, Text, Title } from '@mantine/core'
import { useRouteError } from 'react-router'

/** What is left when a page fails: a defect, or a chunk of a build that is gone. */
export function Broken() {
  const err = useRouteError()
  return (
    <Container size="xs" py={80} component="main">
      <Stack align="flex-start">
        <Title order={1}>This page failed</Title>
        <Text c="dimmed">
          {err instanceof Error ? err.message : 'Unknown error'}. If the controller was just upgraded, reload the page
          to get the new version.
        </Text>
        <Button onClick={() => window.location.reload()}>Reload</Button>
      </Stack>
    </Container>
  )
}
