// What a person has typed on a page and a reload would lose. Searching and
// filtering is in the address and comes back.

let typedOn = ''

/** Watches for typing; the result stops it. */
export function watchInput(): () => void {
  const typed = (e: Event) => {
    const field = e.target as HTMLElement
    if (!field.closest('[data-search], [data-filter]')) typedOn = window.location.pathname
  }
  document.addEventListener('input', typed, true)
  return () => document.removeEventListener('input', typed, true)
}

/** Whether a page holds what a person typed, or asks them something. */
export const unsaved = (pathname: string) => typedOn === pathname || document.querySelector('[role="dialog"]') !== null
