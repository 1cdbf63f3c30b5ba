import { ActionIcon, Menu, Text } from '@mantine/core'
import { IconKeyboard, IconLogout, IconUser, IconUserCircle } from '@tabler/icons-react'
import { Link, useNavigate } from 'react-router'
import { useSignOut } from '@/api/account'
import { say } from '@/ui/say'
import { useSession } from './session'
import { openShortcuts } from './shortcuts'

/** Who is signed in, and the way out. */
export function Account() {
  const person = useSession()?.person
  const signOut = useSignOut()
  const navigate = useNavigate()
  if (!person) return null
  return (
    <Menu position="bottom-end" withArrow width={230}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Account of ${person.name}`}>
          <IconUserCircle size={20} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={560} c="var(--mantine-color-text)" truncate>
            {person.name}
          </Text>
          <Text size="xs" truncate>
            {person.email}
          </Text>
          <Text size="xs">Role: {person.role}</Text>
        </Menu.Label>
        <Menu.Divider />
        <Menu.Item component={Link} to="/account" leftSection={<IconUser size={16} />}>
          My account
        </Menu.Item>
        <Menu.Item leftSection={<IconKeyboard size={16} />} onClick={openShortcuts}>
          Keyboard shortcuts
        </Menu.Item>
        <Menu.Item
          leftSection={<IconLogout size={16} />}
          onClick={() => signOut.mutate(undefined, { onSuccess: () => navigate('/sign-in'), onError: say.failure })}
        >
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}
