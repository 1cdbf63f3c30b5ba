import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { Command } from './Copy'

type OnceProps = { title: string; value: string; label: string; children?: ReactNode; close: () => void }

/** Shows a secret the one time that it can be shown; only its button closes it. */
export function Once({ title, value, label, children, close }: OnceProps) {
  return (
    <Modal
      opened
      onClose={close}
      title={title}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      size="lg"
    >
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
    </Modal>
  )
}
