import { useNavigate } from 'react-router'
import type { Status } from '@/api/types'

const row = 46
const pad = 8
const boxHeight = 34

/** One line of the picture. */
export type Node = {
  key: string
  label: string
  online: boolean
  path: string
  /** It stands for all that have no line of their own. */
  more?: boolean
  /** The number of attached members; absent if it is not known. */
  leaves?: { n: number; of: string; offline?: number }
}

type PictureProps = { status: Status; nodes: Node[]; width: number }

/** Below this width names do not fit. While a window is resized, any width can occur. */
const narrowest = 240

export function Picture({ status, nodes, width: room }: PictureProps) {
  const width = Math.max(room, narrowest)
  const height = Math.max(1, nodes.length) * row + pad * 2
  const narrow = width < 560
  const root = { x: 4, w: narrow ? 34 : 132, y: height / 2 }
  const mid = { x: narrow ? 74 : width * 0.27, w: narrow ? width - 74 - 104 : Math.min(320, width * 0.34) }
  const end = { x: narrow ? width - 84 : width - 246 }
  // The line of all the others would dwarf each of the named ones.
  const greatest = Math.max(1, ...nodes.filter((n) => !n.more).map((n) => n.leaves?.n ?? 0))
  return (
    <svg className="topology" width={width} height={height} role="img" aria-label={describe(status, nodes)}>
      {nodes.map((n, i) => {
        const y = pad + i * row + row / 2
        return (
          <g key={n.key}>
            <Wire from={[root.x + root.w, root.y]} to={[mid.x, y]} on={n.online} />
            {!!n.leaves?.n && (
              <Wire
                from={[mid.x + mid.w, y]}
                to={[end.x, y]}
                on={n.online}
                weight={1 + Math.min(2.5, (2.5 * n.leaves.n) / greatest)}
              />
            )}
            <Box x={mid.x} y={y} w={mid.w} node={n} />
            {n.leaves && (
              <Cluster x={end.x} y={y} leaves={n.leaves} greatest={greatest} narrow={narrow} more={n.more} />
            )}
          </g>
        )
      })}
      <rect x={root.x} y={root.y - 24} width={root.w} height={48} rx={10} fill="#0c6b66" />
      {narrow ? (
        <circle cx={root.x + root.w / 2} cy={root.y} r={6} fill="#fff" />
      ) : (
        <text
          x={root.x + root.w / 2}
          y={root.y + 5}
          textAnchor="middle"
          fontSize={13}
          fontWeight={560}
          style={{ fill: '#fff' }}
        >
          Controller
        </text>
      )}
    </svg>
  )
}

function describe(status: Status, nodes: Node[]): string {
  const lines = nodes.map((n) => `${n.label}${n.online ? '' : ', offline'}${n.leaves ? `, ${leavesOf(n.leaves)}` : ''}`)
  return `Controller with ${status.connectors.online} connectors and ${status.tunnelers.online} tunnelers online. ${lines.join('; ')}.`
}

function leavesOf({ n, of, offline }: NonNullable<Node['leaves']>): string {
  const here = n === 0 ? `no ${of}` : `${n.toLocaleString()} ${of}${n === 1 ? '' : 's'}`
  return offline ? `${here}, ${offline.toLocaleString()} offline` : here
}

type WireProps = { from: [number, number]; to: [number, number]; on: boolean; weight?: number }

function Wire({ from: [x1, y1], to: [x2, y2], on, weight = 1.5 }: WireProps) {
  const middle = (x1 + x2) / 2
  return (
    <path
      d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`}
      fill="none"
      stroke={on ? 'var(--link)' : 'var(--quiet)'}
      strokeOpacity={on ? 0.55 : 0.45}
      strokeWidth={weight}
      strokeDasharray={on ? undefined : '3 4'}
    />
  )
}

type BoxProps = { x: number; y: number; w: number; node: Node }

function Box({ x, y, w, node: n }: BoxProps) {
  const navigate = useNavigate()
  const room = Math.floor((w - 44) / 7.4)
  const label = n.label.length > room ? `${n.label.slice(0, Math.max(1, room - 1))}…` : n.label
  return (
    // The picture as a whole has a text; the same links are in the lists, for the keyboard.
    <g onClick={() => navigate(n.path)} style={{ cursor: 'pointer' }}>
      <title>{n.label}</title>
      <rect
        x={x}
        y={y - boxHeight / 2}
        width={w}
        height={boxHeight}
        rx={8}
        fill={n.more ? 'var(--sunken)' : 'var(--raised)'}
        stroke="var(--line)"
        strokeDasharray={n.more ? '4 4' : undefined}
      />
      {!n.more && (
        <circle
          cx={x + 16}
          cy={y}
          r={4}
          fill={n.online ? 'var(--good)' : 'none'}
          stroke={n.online ? 'var(--good)' : 'var(--quiet)'}
          strokeWidth={2}
        />
      )}
      <text x={x + (n.more ? 14 : 30)} y={y + 4} fontSize={12.5} className={n.more ? undefined : 'mono'}>
        {label}
      </text>
    </g>
  )
}

type ClusterProps = {
  x: number
  y: number
  leaves: NonNullable<Node['leaves']>
  greatest: number
  narrow: boolean
  more?: boolean
}

/** Members, as a disc whose area is their number. */
function Cluster({ x, y, leaves, greatest, narrow, more }: ClusterProps) {
  const { n } = leaves
  const most = 17
  const r = n === 0 ? 3 : Math.max(5, most * Math.sqrt(n / greatest))
  return (
    <g>
      <circle
        cx={x + most}
        cy={y}
        r={Math.min(r, most)}
        fill={n ? 'var(--link)' : 'none'}
        fillOpacity={more ? 0.12 : 0.22}
        stroke={n ? 'var(--link)' : 'var(--quiet)'}
        strokeDasharray={more ? '4 3' : undefined}
      />
      <text x={x + most * 2 + 8} y={y + 4} fontSize={12.5} style={{ fontVariantNumeric: 'tabular-nums' }}>
        {narrow ? n.toLocaleString() : leavesOf(leaves)}
      </text>
    </g>
  )
}
