import { useSyncExternalStore } from 'react'
import { kindOf } from '@/api/words'

/** Finds the code in pasted text: a whole link, its fragment, or the code alone. */
export function codeIn(text: string): string {
  return text
    .slice(text.indexOf('#') + 1)
    .trim()
    .replace(/^code=/, '')
}

/** The code of the link that was opened; a fragment never leaves the browser. */
const codeOfLink = () => codeIn(window.location.hash)

/** The same; a link that is opened in this tab changes the fragment and loads no page. */
export const useCodeOfLink = () => useSyncExternalStore(whenFragmentChanges, codeOfLink)

function whenFragmentChanges(then: () => void) {
  window.addEventListener('hashchange', then)
  return () => window.removeEventListener('hashchange', then)
}

/** The message at the code field when an authenticator's code was refused. */
export function codeIsWrong(err: unknown): string | undefined {
  if (kindOf(err) !== 'unauthenticated') return undefined
  return "This code is not right. Is the phone's clock right? Each code works once."
}
