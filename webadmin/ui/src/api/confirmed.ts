// A person of an identity provider confirms in another tab, which notifies the others.

const channel = () => new BroadcastChannel('confirmed')

/** Notifies the other tabs of this browser that the person has confirmed. */
export function notifyConfirmed() {
  const c = channel()
  c.postMessage(true)
  c.close()
}

/** Calls back when the person has confirmed in another tab; the result stops that. */
export function onConfirmed(then: () => void): () => void {
  const c = channel()
  c.onmessage = then
  return () => c.close()
}
