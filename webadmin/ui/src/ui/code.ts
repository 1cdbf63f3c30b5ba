import { kindOf } from '@/api/words'

/** The code in what somebody pasted: a whole link, its fragment, or the code alone. */
export function codeIn(text: string): string {
  return text
    .slice(text.indexOf('#') + 1)
    .trim()
    .replace(/^code=/, '')
}

/** The code of the link that was opened; a fragment never leaves the browser. */
export const codeOfLink = () => codeIn(window.location.hash)

/** What to say at the field of an authenticator's code that was refused. */
export function codeIsWrong(err: unknown): string | undefined {
  if (kindOf(err) !== 'unauthenticated') return undefined
  return "This code is not right. Is the phone's clock right? Each code works once."
}
