const shape = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?$/

const day = 86_400

/**
 * A duration of the API ("24h") in words ("24 hours"). Days begin at two: an age of
 * one day is compared with hours more often. What is no such duration stays as it is.
 */
export function durationOf(text: string): string {
  const [, h, m, s] = shape.exec(text) ?? []
  if (h === undefined && m === undefined && s === undefined) return text
  const total = Number(h ?? 0) * 3600 + Number(m ?? 0) * 60 + Number(s ?? 0)
  const days = total >= 2 * day ? Math.floor(total / day) : 0
  const rest = total - days * day
  const parts = [
    counted(days, 'day'),
    counted(Math.floor(rest / 3600), 'hour'),
    counted(Math.floor((rest % 3600) / 60), 'minute'),
    counted(Math.round((rest % 60) * 1000) / 1000, 'second'),
  ].filter(Boolean)
  return parts.join(' ') || '0 seconds'
}

const counted = (n: number, unit: string) => n && `${n.toLocaleString()} ${unit}${n === 1 ? '' : 's'}`
