import { Box, Group, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'
import { Logo } from './Logo'
import { Scheme } from './Scheme'

/** The frame of the pages before somebody is signed in. */
export function Entrance({ title, about, children }: { title: string; about?: ReactNode; children: ReactNode }) {
  useDocumentTitle(`${title} · grpccontroller`)
  return (
    <main className="enter" id="main" tabIndex={-1}>
      <Stack gap="lg">
        <Group gap="sm" justify="space-between">
          <Group gap="sm">
            <Logo size={34} />
            <Text fw={640} size="lg">
              grpccontroller
            </Text>
          </Group>
          <Scheme />
        </Group>
        <Box className="surface" p="xl">
          <Title order={1} mb={4}>
            {title}
          </Title>
          {about && (
            <Text c="dimmed" size="sm" mb="lg">
              {about}
            </Text>
          )}
          {children}
        </Box>
      </Stack>
    </main>
  )
}
