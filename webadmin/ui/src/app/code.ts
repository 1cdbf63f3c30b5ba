import { serves } from '@/api/client'
import { mayReload, settled } from './reload'

/** The code of a page could not be loaded: the controller is away, or has another build by now. */
export class MissingCode extends Error {
  constructor(
    readonly what: string,
    cause: unknown,
  ) {
    super(`the code of ${what} could not be loaded`, { cause })
    this.name = 'MissingCode'
  }
}

const reason = (what: string) => `code:${what}`

/** Loads a part of the application. */
export async function code<T>(what: string, load: () => Promise<T>): Promise<T> {
  try {
    const part = await load()
    settled(reason(what))
    return part
  } catch (err) {
    throw new MissingCode(what, err)
  }
}

/** Loads the page anew for the sake of a part, unless that has not helped already. */
export function reloadFor(what: string): boolean {
  if (!mayReload(reason(what))) return false
  window.location.reload()
  return true
}

const every = 2_000 // ms

/** Calls back once the controller serves files again; the result stops waiting. */
export function whenServing(then: () => void): () => void {
  let over = false
  let timer = 0
  const ask = async () => {
    if (over) return
    if ((await serves()) && !over) return then()
    timer = window.setTimeout(ask, every)
  }
  void ask()
  return () => {
    over = true
    clearTimeout(timer)
  }
}

/** Loads a part of a page that does without it meanwhile, however long that takes. */
export async function patient<T>(what: string, load: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await code(what, load)
    } catch (err) {
      await new Promise<void>((resolve) => whenServing(resolve))
      try {
        return await code(what, load)
      } catch {
        // Some browsers remember that it could not be loaded.
        if (!reloadFor(what)) throw err
        await new Promise(() => {}) // until the page goes
      }
    }
  }
}
