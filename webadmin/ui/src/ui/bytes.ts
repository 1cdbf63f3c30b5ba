const units = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB']

/** A number of bytes in its greatest unit, of 1,000: 1.2 MB. */
export function bytes(n: number): string {
  let at = 0
  // What rounds to 1,000 is one of the next unit.
  while (at < units.length - 1 && n >= 999.5) {
    n /= 1000
    at++
  }
  if (at === 0) return `${n} ${n === 1 ? 'byte' : 'bytes'}`
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${units[at]}`
}
