/** The parts of a text of the API; every second one stood between backticks. A lone backtick marks nothing. */
export function partsOf(text: string): string[] {
  const parts = text.split('`')
  return parts.length % 2 ? parts : [text]
}

/** A text of the API without its marks, where only words can be shown. */
export const unmarked = (text: string) => partsOf(text).join('')

/** A text of the API, with its commands and names as code. */
export function Prose({ of }: { of: string }) {
  return partsOf(of).map((part, i) =>
    i % 2 ? (
      <code key={i} className="wrap">
        {part}
      </code>
    ) : (
      part
    ),
  )
}
