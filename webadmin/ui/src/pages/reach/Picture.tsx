import { useState } from 'react'
import { Link } from 'react-router'
import type { Graph, Hold, Line, Node } from './graph'

const row = 44
const pad = 6
const boxHeight = 36

/** Below this width names do not fit. While a window is resized, any width can occur. */
const narrowest = 280

type PictureProps = { graph: Graph; width: number }

/** Tunnelers on the left, resources on the right, and a line for what grants allow. */
export function Picture({ graph, width: room }: PictureProps) {
  const [at, setAt] = useState('')
  const width = Math.max(room, narrowest)
  const height = Math.max(1, graph.left.length, graph.right.length) * row + pad * 2
  const box = Math.min(330, Math.max(118, width * 0.36))
  const places = {
    left: placed(graph.left, height),
    right: placed(graph.right, height),
  }
  const touched = (l: Line) => at === `left ${l.from}` || at === `right ${l.to}`
  const near = new Set(graph.lines.filter(touched).flatMap((l) => [`left ${l.from}`, `right ${l.to}`]))
  const side = (name: 'left' | 'right', x: number) =>
    graph[name].map((n) => (
      <Box
        key={n.key}
        node={n}
        x={x}
        y={places[name].get(n.key) ?? 0}
        w={box}
        faded={at !== '' && at !== `${name} ${n.key}` && !near.has(`${name} ${n.key}`)}
        over={(on) => setAt(on ? `${name} ${n.key}` : '')}
        says={says(graph, name, n)}
      />
    ))
  return (
    <svg className="topology" width={width} height={height} role="group" aria-label="Who reaches what, as a picture">
      <g aria-hidden="true">
        {graph.lines.map((l) => (
          <Wire
            key={`${l.from}\n${l.to}`}
            from={[box, places.left.get(l.from) ?? 0]}
            to={[width - box, places.right.get(l.to) ?? 0]}
            hold={l.hold}
            state={at === '' ? 'plain' : touched(l) ? 'near' : 'faded'}
          />
        ))}
      </g>
      {side('left', 0)}
      {side('right', width - box)}
    </svg>
  )
}

/** The middles of the nodes of a column, at equal distances over the height, by key. */
function placed(nodes: Node[], height: number) {
  const step = (height - pad * 2) / Math.max(1, nodes.length)
  return new Map(nodes.map((n, i) => [n.key, pad + step * (i + 0.5)]))
}

/** What a screen reader says of a node: what it is and what its lines lead to. */
function says(graph: Graph, name: 'left' | 'right', n: Node): string {
  const ends = graph.lines.flatMap((l) =>
    (name === 'left' ? l.from : l.to) === n.key ? [name === 'left' ? l.to : l.from] : [],
  )
  const other = new Map((name === 'left' ? graph.right : graph.left).map((o) => [o.key, o.label]))
  const words = ends
    .map((k) => other.get(k) ?? k)
    .sort()
    .join(', ')
  const about = n.about && ` (${n.about})`
  if (!words) return `${n.label}${about}`
  return name === 'left' ? `${n.label}${about} reaches ${words}` : `${n.label}${about} is reached by ${words}`
}

type WireProps = {
  from: [number, number]
  to: [number, number]
  hold: Hold
  state: 'plain' | 'near' | 'faded'
}

function Wire({ from: [x1, y1], to: [x2, y2], hold, state }: WireProps) {
  const middle = (x1 + x2) / 2
  const opacity = { plain: 0.55, near: 1, faded: 0.12 }[state]
  return (
    <path
      d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`}
      fill="none"
      stroke={hold === 'ended' ? 'var(--quiet)' : 'var(--link)'}
      strokeOpacity={opacity}
      strokeWidth={state === 'near' ? 2.5 : 1.5}
      strokeDasharray={{ always: undefined, hours: '7 4', ended: '2 5' }[hold]}
    />
  )
}

type BoxProps = {
  node: Node
  x: number
  y: number
  w: number
  faded: boolean
  over: (on: boolean) => void
  says: string
}

function Box({ node: n, x, y, w, faded, over, says: text }: BoxProps) {
  const fit = (s: string, size: number) => {
    const room = Math.floor((w - 22) / size)
    if (s.length <= room) return s
    // Ids begin alike more often than they end alike.
    const end = Math.max(1, Math.floor((room - 1) / 2))
    return `${s.slice(0, Math.max(1, room - 1 - end))}…${s.slice(-end)}`
  }
  return (
    <Link
      to={n.to}
      onFocus={() => over(true)}
      onBlur={() => over(false)}
      onMouseEnter={() => over(true)}
      onMouseLeave={() => over(false)}
    >
      {/* What a screen reader says of it: more than there is room for, and nothing that is cut. */}
      <text x={x + 11} y={y} fontSize={1} opacity={0}>
        {text}
      </text>
      <g opacity={faded ? 0.45 : 1} aria-hidden="true">
        <title>{n.about ? `${n.label}: ${n.about}` : n.label}</title>
        <rect
          x={x + 1}
          y={y - boxHeight / 2}
          width={w - 2}
          height={boxHeight}
          rx={8}
          fill={n.kind === 'one' ? 'var(--raised)' : 'var(--sunken)'}
          stroke="var(--line)"
          strokeDasharray={n.kind === 'more' ? '4 4' : undefined}
        />
        <text x={x + 11} y={n.about ? y - 2 : y + 4} fontSize={12.5} className={n.kind === 'more' ? undefined : 'mono'}>
          {fit(n.label, 7.5)}
        </text>
        {n.about && (
          <text x={x + 11} y={y + 12} fontSize={11} className="quiet">
            {fit(n.about, 6)}
          </text>
        )}
      </g>
    </Link>
  )
}
