import { ActionIcon, AppShell, Badge, Box, Burger, Group, NavLink, ScrollArea, Text } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import {
  IconAffiliate,
  IconAlertOctagon,
  IconAlertTriangle,
  IconArrowsLeftRight,
  IconCertificate,
  IconChecklist,
  IconDatabase,
  IconHelpCircle,
  IconHome,
  IconKey,
  IconLicense,
  IconListCheck,
  IconPlugConnected,
  IconRoute,
  IconSearch,
  IconServer2,
  IconSettings,
  IconShieldCheck,
  IconSitemap,
  IconTicket,
  IconUsers,
} from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef } from 'react'
import { Link, Outlet, useLocation } from 'react-router'
import { requests, status } from '@/api/queries'
import { Account } from './Account'
import { Live } from './Live'
import { FindDialog, openFind } from './Find'
import { Logo } from './Logo'
import { Notices } from './Notices'
import { groups, type Path } from './places'
import { Scheme } from './Scheme'
import { useCan, useSession } from './session'
import { ShortcutsDialog, useShortcuts } from './shortcuts'

const icons: Record<Path, React.ComponentType<{ size?: number; stroke?: number }>> = {
  '/': IconHome,
  '/connectors': IconPlugConnected,
  '/tunnelers': IconRoute,
  '/hosts': IconServer2,
  '/networks': IconAffiliate,
  '/resources': IconDatabase,
  '/grants': IconLicense,
  '/reach': IconSitemap,
  '/explain': IconHelpCircle,
  '/policy-tests': IconShieldCheck,
  '/flows': IconArrowsLeftRight,
  '/requests': IconChecklist,
  '/tokens': IconTicket,
  '/ca': IconCertificate,
  '/audit': IconListCheck,
  '/people': IconUsers,
  '/keys': IconKey,
  '/settings': IconSettings,
}

function Waiting() {
  const list = useQuery({ ...requests({ status: 'pending', page_size: 1 }), retry: false })
  const n = list.data?.total ?? 0
  if (!n) return null
  return (
    <Badge size="sm" color="yellow" aria-label={`${n} waiting`}>
      {n}
    </Badge>
  )
}

/** How much on the Overview needs attention: the mark is there on every page. */
function Alarm() {
  const { data } = useQuery({ ...status, enabled: useCan('fleet:read') })
  const n = data?.attention_total ?? 0
  if (!n) return null
  const critical = data?.attention.some((i) => i.severity === 'critical')
  const Icon = critical ? IconAlertOctagon : IconAlertTriangle
  return (
    <Badge
      size="sm"
      color={critical ? 'red' : 'yellow'}
      leftSection={<Icon size={12} aria-hidden="true" />}
      aria-label={`${n} ${n === 1 ? 'needs' : 'need'} attention`}
    >
      {n.toLocaleString()}
    </Badge>
  )
}

const marks: Record<string, React.ComponentType> = { '/': Alarm, '/requests': Waiting }

function Nav({ close }: { close: () => void }) {
  const { pathname } = useLocation()
  const permissions = useSession()?.permissions ?? []
  return groups.map((g) => {
    const items = g.items.filter((i) => permissions.includes(i.needs))
    if (!items.length) return null
    return (
      <Box key={g.label} mb="sm">
        <Text size="xs" fw={560} c="dimmed" px="sm" pb={4} id={`nav-${g.label}`}>
          {g.label}
        </Text>
        <div role="group" aria-labelledby={`nav-${g.label}`}>
          {items.map((i) => {
            const Mark = marks[i.to]
            const Icon = icons[i.to]
            const active = i.to === '/' ? pathname === '/' : pathname === i.to || pathname.startsWith(`${i.to}/`)
            return (
              <NavLink
                key={i.to}
                component={Link}
                to={i.to}
                label={i.label}
                leftSection={<Icon size={17} stroke={1.7} />}
                rightSection={Mark && <Mark />}
                active={active}
                aria-current={active ? 'page' : undefined}
                onClick={close}
                py={4} // all of them are in sight at 800 px
                style={{ borderRadius: 7 }}
              />
            )
          })}
        </div>
      </Box>
    )
  })
}

function TrustDomain() {
  const { data } = useQuery({ ...status, enabled: useCan('fleet:read') })
  if (!data) return null
  return (
    <Text size="sm" c="dimmed" className="mono" truncate title={`Trust domain ${data.trust_domain}`} visibleFrom="xs">
      {data.trust_domain}
    </Text>
  )
}

/** The frame of every page of somebody who is signed in. */
export function Shell() {
  const [open, nav] = useDisclosure()
  const { pathname, key } = useLocation()
  const loaded = useRef(key === 'default') // by the browser, which has focused nothing
  useShortcuts()
  // A new page is read from its heading on, also by a screen reader, unless it has focused a field of its own.
  useEffect(() => {
    if (loaded.current) {
      loaded.current = false
      return
    }
    window.scrollTo(0, 0)
    const main = document.getElementById('main')
    if (!main?.contains(document.activeElement)) main?.focus({ preventScroll: true })
  }, [pathname])
  return (
    <>
      <a href="#main" className="skip">
        Skip to content
      </a>
      <AppShell
        header={{ height: 52 }}
        navbar={{ width: 226, breakpoint: 'sm', collapsed: { mobile: !open } }}
        padding={{ base: 'md', md: 'xl' }}
        transitionDuration={0} // what is read would slide below the navigation, as a page opens too
      >
        <AppShell.Header bg="var(--raised)" px="md" style={{ borderColor: 'var(--line)' }}>
          <Group h="100%" justify="space-between" wrap="nowrap" gap="sm">
            <Group gap="sm" wrap="nowrap" miw={0}>
              <Burger
                opened={open}
                onClick={nav.toggle}
                hiddenFrom="sm"
                size="sm"
                aria-label={open ? 'Close navigation' : 'Open navigation'}
              />
              <Link to="/" aria-label="grpccontroller, overview" style={{ display: 'flex' }}>
                <Logo />
              </Link>
              <Text fw={640} size="md" lts="-0.01em">
                grpccontroller
              </Text>
              <TrustDomain />
            </Group>
            <Group gap={6} wrap="nowrap">
              <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Search everything" onClick={openFind}>
                <IconSearch size={18} stroke={1.7} />
              </ActionIcon>
              <Live />
              <Scheme />
              <Account />
            </Group>
          </Group>
        </AppShell.Header>
        <AppShell.Navbar
          bg="var(--raised)"
          style={{ borderColor: 'var(--line)' }}
          aria-label="Main"
          data-closed={!open || undefined}
        >
          <ScrollArea p="sm" pt="md" flex={1} type="never">
            <Nav close={nav.close} />
          </ScrollArea>
        </AppShell.Navbar>
        <AppShell.Main id="main" tabIndex={-1}>
          <Box maw={1320} mx="auto">
            <Notices />
            <div className="content">
              <Outlet />
            </div>
          </Box>
        </AppShell.Main>
      </AppShell>
      <ShortcutsDialog />
      <FindDialog />
    </>
  )
}
