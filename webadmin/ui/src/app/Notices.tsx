import { Button, Group, Text } from '@mantine/core'
import { IconPlugConnectedX, IconRefreshAlert } from '@tabler/icons-react'
import { type ReactNode, useEffect } from 'react'
import { useLocation, useNavigation } from 'react-router'
import { ownBuild, useOtherBuild } from '@/api/build'
import { timeOfDay, useLiveness } from '@/api/liveness'
import { hasReloaded, mayReload, settled } from './reload'
import { unsaved, watchInput } from './unsaved'

/** What is to be said of the whole page, above it: it is old, or it is of another version. */
export function Notices() {
  return (
    <div className="notices" role="status">
      <Stale />
      <Upgraded />
      <Opening />
    </div>
  )
}

function Notice({ tone, icon, children }: { tone: 'warn' | 'bad'; icon: ReactNode; children: ReactNode }) {
  return (
    <Group className="notice" data-tone={tone} gap="sm" wrap="nowrap" align="flex-start">
      {icon}
      {children}
    </Group>
  )
}

/** Numbers of a page that receives nothing are old: it says so, and they turn grey. */
function Stale() {
  const { state, asOf } = useLiveness()
  const old = state === 'away' || state === 'catching'
  useEffect(() => {
    document.documentElement.toggleAttribute('data-stale', old)
    return () => document.documentElement.removeAttribute('data-stale')
  }, [old])
  if (state !== 'away') return null
  return (
    <Notice tone="bad" icon={<IconPlugConnectedX size={18} aria-hidden="true" />}>
      <Text size="sm">
        <strong>Reconnecting.</strong> The controller does not answer.{' '}
        {asOf > 0 && (
          <>
            What this page shows is as of <time className="numbers">{timeOfDay(asOf)}</time>.{' '}
          </>
        )}
        Nothing can be changed until it is back; the page then updates by itself.
      </Text>
    </Notice>
  )
}

// Controllers of different versions that answer in turn differ sooner than this.
const agreed = 5 * 60_000 // ms

/** The controller has another dashboard than this page: it is loaded anew, but takes nothing from a person. */
function Upgraded() {
  const other = useOtherBuild()
  const { pathname } = useLocation()
  useEffect(watchInput, [])
  useEffect(() => {
    if (!other || unsaved(pathname)) return
    if (mayReload(`build:${other}`)) window.location.reload()
  }, [other, pathname])
  // After a rollback the same build may come a second time.
  useEffect(() => {
    if (other) return
    const timer = setTimeout(() => settled(`build:${ownBuild()}`), agreed)
    return () => clearTimeout(timer)
  }, [other])
  if (!other) return null
  return (
    <Notice tone="warn" icon={<IconRefreshAlert size={18} aria-hidden="true" />}>
      <Text size="sm" flex={1}>
        <strong>The controller has another version of this dashboard.</strong>{' '}
        {hasReloaded(`build:${other}`)
          ? 'A reload did not bring it. Do several controllers of different versions answer, or does a proxy keep old pages?'
          : 'Reload the page to get it. It was not done by itself because you have typed something here.'}
      </Text>
      <Button size="compact-sm" variant="default" onClick={() => window.location.reload()}>
        Reload
      </Button>
    </Notice>
  )
}

/** A page whose code is slow to come; the old one stays meanwhile. */
function Opening() {
  if (useNavigation().state !== 'loading') return null
  return (
    <Text size="sm" className="slow">
      Opening the page…
    </Text>
  )
}
