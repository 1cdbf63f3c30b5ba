import type { Resource } from '@/api/types'

const shown = 3

/** The first hosts of a resource, in a list. */
export function Hosts({ of: { hosts } }: { of: Pick<Resource, 'hosts'> }) {
  return (
    <span className="mono wrap">
      {hosts.slice(0, shown).join(', ')}
      {hosts.length > shown && <span title={hosts.slice(shown).join(', ')}> +{hosts.length - shown}</span>}
    </span>
  )
}
