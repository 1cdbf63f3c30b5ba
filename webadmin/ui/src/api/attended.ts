// A page that reads by itself is no use of the session: without somebody at it the
// session has to end after its idle time.

const recent = 30_000 // ms

let last = -recent

/** Watches for signs of a person, once, as the page starts. */
export function watchForPerson() {
  const seen = () => {
    last = performance.now()
  }
  for (const sign of ['pointerdown', 'keydown', 'wheel', 'touchstart']) {
    window.addEventListener(sign, seen, { capture: true, passive: true })
  }
  seen() // who opened the page is there
}

/** Whether somebody used the page just now. */
export function attended() {
  return performance.now() - last < recent
}
