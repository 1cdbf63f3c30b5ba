/** An id. It has up to 63 characters, so it may take a second line. */
export function Id({ of }: { of: string }) {
  return (
    <span className="mono id" data-long={of.length > 32 || undefined}>
      {of}
    </span>
  )
}
