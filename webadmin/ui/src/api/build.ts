import { useSyncExternalStore } from 'react'

// Which build of the dashboard this page is, and which one the controller has.

const known = /^[0-9a-f]{16}$/

/** The build of this page. */
export const ownBuild = () => document.querySelector<HTMLMetaElement>('meta[name="dashboard-build"]')?.content ?? ''

let theirs = ''
const listeners = new Set<() => void>()

/** Takes the build that a reply of the controller names. */
export function noteBuild(build: string | null) {
  if (!build || build === theirs) return
  theirs = build
  for (const f of listeners) f()
}

/** Whether a page of one build has the code for a controller of another one. */
export const differ = (own: string, other: string) => known.test(own) && known.test(other) && own !== other

/** The controller's build if it is not that of this page, else "". */
export function useOtherBuild(): string {
  return useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    () => (differ(ownBuild(), theirs) ? theirs : ''),
  )
}
