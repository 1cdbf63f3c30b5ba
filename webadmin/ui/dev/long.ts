// A world whose ids are as long as the API allows, and its scenes. Its lists are short: axe
// looks at every row, and each is like the others.
import type { Scene } from './scenes'
import type { World } from './world'

const longest = 63

const ids = /\b(?:connector|tunneler)-(?:[a-z]+-)?[a-z0-9]+\b(?!-)/g

const grown = (id: string) => `${id}-${'x'.repeat(longest - id.length - 1)}`

/** A text whose ids of connectors and tunnelers have 63 characters. */
export const longer = (text: string) => text.replace(ids, (id) => (id.length < longest ? grown(id) : id))

function deep<T>(value: T): T {
  if (typeof value === 'string') return longer(value) as T
  if (Array.isArray(value)) return value.map(deep) as T
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, deep(v)])) as T
}

/** The same scene of a world of long ids. */
export function long(scene: Scene): Scene {
  return {
    ...scene,
    path: longer(scene.path),
    opener: scene.opener && longer(scene.opener),
    dialog: scene.dialog && longer(scene.dialog),
    world: (w: World) => {
      scene.world?.(w)
      w.rows = 12
      for (const list of [
        'connectors',
        'tunnelers',
        'tokens',
        'requests',
        'events',
        'renewals',
        'warnings',
        'grants',
        'policyTests',
      ] as const)
        Object.assign(w, { [list]: deep(w[list]) })
    },
  }
}
