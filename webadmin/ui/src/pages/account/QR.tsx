import { encode } from 'uqr'

const quiet = 4 // modules of white around it, without which a camera does not find it

/** A QR code, always dark on white. */
export function QR({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { ecc: 'M', border: 0 })
  const path = data
    .flatMap((line, y) => line.flatMap((dark, x) => (dark ? [`M${x + quiet},${y + quiet}h1v1h-1z`] : [])))
    .join('')
  const side = size + quiet * 2
  return (
    <svg
      viewBox={`0 0 ${side} ${side}`}
      width={196}
      height={196}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
    >
      <rect width={side} height={side} fill="#fff" rx={2} />
      <path d={path} fill="#000" />
    </svg>
  )
}
