import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Command } from './Copy'
import { Dialog } from './Dialog'
import { Leaving } from './leaving'

type OnceProps = { title: string; value: string; label: string; children?: ReactNode; close: () => void }

/** Shows a secret once; only its button closes it. */
export function Once({ title, value, label, children, close }: OnceProps) {
  return (
    <Dialog title={title} close={close} size="lg" insists>
      <Stack>
        <Command value={value} label={label} />
        {children}
        <Alert color="yellow" p="xs">
          <Text size="sm" c="var(--mantine-color-text)">
            This is shown only once. Store it in a safe place.
          </Text>
        </Alert>
        <Group justify="flex-end">
          <Button onClick={close}>I have it</Button>
        </Group>
      </Stack>
      <Leaving loses={`The ${label} cannot be shown again. Copy it first.`} />
    </Dialog>
  )
}
