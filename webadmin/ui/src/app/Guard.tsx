import { Center } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Navigate, useLocation } from 'react-router'
import { useEvents } from '@/api/events'
import { session, setup } from '@/api/queries'
import { Failure } from '@/ui/Failure'
import { Boot } from './Boot'
import { Shell } from './Shell'

/** Shows the dashboard to a person who is signed in; others are sent to the page where they can sign in. */
export function Guard() {
  const who = useQuery(session)
  const first = useQuery({ ...setup, enabled: who.data === null })
  const { pathname, search } = useLocation()
  useEvents(!!who.data)
  if (who.data) return <Shell />
  const error = who.error ?? first.error
  if (error) {
    return (
      <Center mih="100dvh" p="md">
        <Failure error={error} retry={() => who.refetch()} />
      </Center>
    )
  }
  if (who.isPending || first.isPending) {
    return <Boot />
  }
  if (first.data?.needed) return <Navigate to="/setup" replace />
  const back = pathname + search
  return <Navigate to={back === '/' ? '/sign-in' : `/sign-in?return_to=${encodeURIComponent(back)}`} replace />
}
