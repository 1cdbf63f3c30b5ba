// A page may reload itself once for a reason. A second time would be a loop: then it
// says what is wrong and leaves it to the person.

type Memory = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

const key = (reason: string) => `reloaded:${reason}`

/** Whether the page may reload itself for this reason now, which it then has done. */
export function mayReload(reason: string, memory: Memory = sessionStorage): boolean {
  try {
    if (memory.getItem(key(reason)) !== null) return false
    memory.setItem(key(reason), '1')
    return memory.getItem(key(reason)) !== null
  } catch {
    return false // without a memory nobody would notice a loop
  }
}

/** Whether the page has reloaded itself for this reason, which then has not helped. */
export function hasReloaded(reason: string, memory: Memory = sessionStorage): boolean {
  try {
    return memory.getItem(key(reason)) !== null
  } catch {
    return false
  }
}

/** The reason is gone: it may come again. */
export function settled(reason: string, memory: Memory = sessionStorage) {
  try {
    memory.removeItem(key(reason))
  } catch {
    // there is no memory, so there is nothing to forget
  }
}
