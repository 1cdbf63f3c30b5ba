/** The mark: a cube seen from its corner, the corner a node that three ways meet in. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0c6b66" />
      <path
        d="M16 6.5 24.2 11v10L16 25.5 7.8 21V11z"
        fill="none"
        stroke="#fff"
        strokeOpacity=".45"
        strokeWidth="1.8"
        strokeLinejoin="round"
      />
      <path
        d="M7.8 11 16 16l8.2-5M16 16v9.5"
        fill="none"
        stroke="#fff"
        strokeWidth="1.8"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <circle cx="16" cy="16" r="3.4" fill="#fff" />
    </svg>
  )
}
