/** Labels by key. */
export type Labels = Record<string, string>

// The same rules as in controller/fleet/about.go; a test of that package compares them.
const key = /^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/
const value = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const most = 32

export const ruleFor = (limit: number) =>
  `As key=value, such as env=prod; at most ${limit}. Each part has up to 63 letters, digits and . _ - in it; keys are lower-case.`

export const rule = ruleFor(most)

/** Labels as they are written, by key. */
export const textsOf = (labels: Labels) =>
  Object.entries(labels)
    .map(([k, v]) => `${k}=${v}`)
    .sort()

/** What is wrong with typed labels, of which a limit is possible; empty if they are valid. */
export function faultOf(texts: string[], limit = most): string {
  const keys = new Set<string>()
  for (const text of texts) {
    const at = text.indexOf('=')
    const k = text.slice(0, at)
    if (at < 0) return `"${text}" is not a label: write key=value, such as env=prod.`
    if (!key.test(k))
      return `"${k}" is not a valid key: use 1 to 63 of a-z, 0-9 and . _ / - with a letter or digit at both ends.`
    if (!value.test(text.slice(at + 1)))
      return `"${text.slice(at + 1)}" is not a valid value: use 1 to 63 letters, digits and . _ - with a letter or digit at both ends.`
    if (keys.has(k)) return `"${k}" has two values: keep one.`
    keys.add(k)
  }
  return texts.length > limit ? `There are ${texts.length} labels; at most ${limit} are possible.` : ''
}

/** A merge patch from labels to typed ones: new and changed values, and null for removed keys. */
export function changeOf(before: Labels, texts: string[]): Record<string, string | null> {
  const change: Record<string, string | null> = {}
  const after = Object.fromEntries(texts.map((t) => [t.slice(0, t.indexOf('=')), t.slice(t.indexOf('=') + 1)]))
  for (const k of Object.keys(before)) if (!(k in after)) change[k] = null
  for (const [k, v] of Object.entries(after)) if (before[k] !== v) change[k] = v
  return change
}
