import type { Grant, Resource } from '@/api/types'
import { hasEnded, hoursOf, pathOf, type Reference, referenceOf } from '@/pages/grants/reference'

// Who reaches what, as two columns and lines between them. Few things are drawn one by one;
// many are drawn as the grants name them, by label, and what is too much for that is one node.

/** So many nodes of a column can be read at a glance. */
export const most = 14

export type Node = {
  key: string
  label: string
  /** What else is to be said of it: its hosts, or how many it stands for. */
  about: string
  to: string
  /** One thing, all things with a label, or all that have no node of their own. */
  kind: 'one' | 'label' | 'more'
}

/** always: some grant holds at all hours; hours: only at certain hours; ended: none holds any more. */
export type Hold = 'always' | 'hours' | 'ended'

export type Line = { from: string; to: string; grants: Grant[]; hold: Hold }

export type Graph = { left: Node[]; right: Node[]; lines: Line[] }

/** A tunneler or resource, as far as the picture knows it. */
export type Thing = { id: string; labels?: Record<string, string>; about?: string }

type Side = {
  list: '/tunnelers' | '/resources'
  /** The word for several of them. */
  plural: string
  things: Thing[]
  /** Whether things are all that there are: then labels can be resolved. */
  complete: boolean
  /** Only this one, by its id. */
  only?: string
}

export type Input = {
  grants: Grant[]
  tunnelers: Omit<Side, 'list' | 'plural'>
  resources: Omit<Side, 'list' | 'plural'>
  /** The time, in milliseconds. */
  now: number
}

export function graphOf({ grants, tunnelers, resources, now }: Input): Graph {
  const left = column({ ...tunnelers, list: '/tunnelers', plural: 'tunnelers' }, grants, (g) => g.subject)
  const right = column({ ...resources, list: '/resources', plural: 'resources' }, grants, (g) => g.object)
  const lines = new Map<string, Line>()
  for (const g of grants) {
    for (const from of left.of(g.subject)) {
      for (const to of right.of(g.object)) {
        const key = `${from}\n${to}`
        const line = lines.get(key) ?? { from, to, grants: [], hold: 'ended' }
        line.grants.push(g)
        line.hold = better(line.hold, holdOf(g, now))
        lines.set(key, line)
      }
    }
  }
  return { left: left.nodes, right: right.nodes, lines: [...lines.values()] }
}

export function holdOf(g: Grant, now: number): Hold {
  if (hasEnded(g, now)) return 'ended'
  return hoursOf(g) ? 'hours' : 'always'
}

const order: Hold[] = ['ended', 'hours', 'always']
const better = (a: Hold, b: Hold): Hold => (order.indexOf(a) > order.indexOf(b) ? a : b)

const more = (n: number) => (n > 0 ? `, ${n} more ${n === 1 ? 'host' : 'hosts'}` : '')

/** The resources of the API as things. */
export const thingOf = (r: Resource): Thing => ({
  id: r.id,
  labels: r.labels,
  about: `${r.hosts[0] ?? ''}:${r.ports.join(',')}${more(r.hosts.length - 1)}`,
})

type Column = {
  nodes: Node[]
  /** The keys of the nodes that stand for a reference. */
  of: (reference: string) => string[]
}

function column(side: Side, grants: Grant[], referenceIn: (g: Grant) => string): Column {
  const references = [...new Set(grants.map(referenceIn))].sort()
  const single = resolved(side, references)
  if (single && single.nodes.length <= most) return single
  return collapsed(side, references)
}

/** Things one by one, if it is known what the labels stand for. */
function resolved(side: Side, references: string[]): Column | null {
  if (!side.complete && !side.only && references.some((r) => referenceOf(r).kind === 'label')) return null
  const known = new Map(side.things.map((t) => [t.id, t]))
  const of = new Map<string, string[]>()
  for (const text of references) {
    const ref = referenceOf(text)
    const ids = ref.kind === 'label' ? side.things.filter((t) => has(t, ref.value)).map((t) => t.id) : [ref.value]
    of.set(
      text,
      ids.filter((id) => !side.only || id === side.only),
    )
  }
  const ids = [...new Set([...of.values()].flat())].sort()
  const nodes = ids.map((id): Node => {
    const about = known.get(id)?.about ?? (side.complete && !known.has(id) ? 'not enrolled' : '')
    return { key: id, label: id, about, to: pathOf({ kind: 'tunneler', value: id }, side.list), kind: 'one' }
  })
  return { nodes, of: (r) => of.get(r) ?? [] }
}

/** Things as the grants name them: labels first, then as many single ones as there is room for. */
function collapsed(side: Side, references: string[]): Column {
  const all = references.map((text) => ({ text, ref: referenceOf(text) }))
  const ordered = [...all.filter(({ ref }) => ref.kind === 'label'), ...all.filter(({ ref }) => ref.kind !== 'label')]
  const named = ordered.length > most ? ordered.slice(0, most - 1) : ordered
  const nodes: Node[] = named.map(({ text, ref }) => ({
    key: text,
    label: ref.value,
    about: ref.kind === 'label' ? standsFor(side, ref) : '',
    to: pathOf(ref, side.list),
    kind: ref.kind === 'label' ? 'label' : 'one',
  }))
  const others = ordered.slice(named.length)
  if (others.length) {
    const what = others.some(({ ref }) => ref.kind === 'label') ? `${side.plural} and labels` : side.plural
    nodes.push({ key: '', label: `${others.length.toLocaleString()} more`, about: what, to: '/grants', kind: 'more' })
  }
  const own = new Set(named.map(({ text }) => text))
  return { nodes, of: (text) => [own.has(text) ? text : ''] }
}

function standsFor(side: Side, { value }: Reference): string {
  if (!side.complete) return `all ${side.plural} with it`
  const n = side.things.filter((t) => has(t, value)).length
  return `${n.toLocaleString()} ${n === 1 ? side.plural.slice(0, -1) : side.plural}`
}

const has = ({ labels }: Thing, label: string) => Object.entries(labels ?? {}).some(([k, v]) => `${k}=${v}` === label)
