/** The code in what somebody pasted: a whole link, its fragment, or the code alone. */
export function codeIn(text: string): string {
  return text
    .slice(text.indexOf('#') + 1)
    .trim()
    .replace(/^code=/, '')
}

/** The code of the link that was opened; a fragment never leaves the browser. */
export const codeOfLink = () => codeIn(window.location.hash)
