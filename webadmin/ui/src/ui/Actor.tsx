import { useQuery } from '@tanstack/react-query'
import { people } from '@/api/queries'
import { useCan, useSession } from '@/app/session'

/** The actor of an event: the person's email if this session may see it. */
export function Actor({ of }: { of?: string }) {
  const me = useSession()?.person
  const known = useQuery({ ...people, enabled: useCan('people:manage') }).data?.people
  if (!of) return '–'
  const id = of.replace(/^person:/, '')
  const person = id === me?.id ? me : known?.find((p) => p.id === id)
  return (
    <span className="wrap actor" title={of}>
      {person?.email ?? of}
    </span>
  )
}
