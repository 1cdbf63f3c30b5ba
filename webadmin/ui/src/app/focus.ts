// Where the focus goes when its element is removed or disabled. A browser then gives it to
// the body, and whoever works with the keyboard begins at the top of the page again.

/** The dialog that is open above all others. */
export const uppermost = () => [...document.querySelectorAll<HTMLElement>('[role=dialog]')].at(-1)

/** Focuses an element; if it was removed or is disabled, the uppermost dialog, or the page. */
export function giveFocus(to: Element | null) {
  if (to instanceof HTMLElement && to !== document.body) {
    to.focus({ preventScroll: true })
    if (document.activeElement === to) return
  }
  const place = uppermost() ?? document.getElementById('main')
  place?.focus({ preventScroll: true })
}

// The element that has the focus, or had it until it was removed or disabled. A click
// beside everything is a wish to focus nothing.
let last: Element | null = null
// The same element, if it was disabled meanwhile.
let disabled: Element | null = null

/** The element that had the focus last. */
export const lastFocused = () => last

const lost = () => !document.activeElement || document.activeElement === document.body

/** Watches, once, as the page starts: the focus of a removed element goes to the page, that of a disabled one returns with it. */
export function keepFocus() {
  document.addEventListener('focusin', (e) => {
    last = e.target instanceof Element ? e.target : null
    disabled = null
  })
  document.addEventListener('pointerdown', () => (last = null), { capture: true })
  const look = () => {
    if (last?.matches(':disabled')) disabled = last
    else if (last && lost() && (!last.isConnected || disabled === last)) giveFocus(last)
  }
  new MutationObserver(look).observe(document.body, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['disabled'],
  })
}
