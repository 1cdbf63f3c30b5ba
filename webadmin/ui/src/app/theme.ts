import {
  Alert,
  Badge,
  Button,
  Card,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  Modal,
  NavLink,
  Paper,
  Skeleton,
  Table,
  TagsInput,
  Tooltip,
  type VariantColorsResolver,
} from '@mantine/core'

// Petrol: the colour of what can be acted on. Green, amber and red are kept for states.
const petrol: MantineColorsTuple = [
  '#e6f7f5',
  '#cdebe8',
  '#9bd6d1',
  '#66c0b9',
  '#3eada5',
  '#1f9b93',
  '#0f8b83',
  '#0c766f',
  '#0b635e',
  '#08504c',
]

// Ink, from text to page: dimmer than black, a little blue.
const dark: MantineColorsTuple = [
  '#d6dde4',
  '#b4bec9',
  '#97a3b0',
  '#6d7a88',
  '#3a4652',
  '#2a343e',
  '#1d252d',
  '#151b21',
  '#10151a',
  '#0b0f13',
]

const tones: Record<string, string> = {
  red: '--bad',
  yellow: '--warn',
  green: '--good',
  gray: '--quiet',
  petrol: '--link',
}

/** Buttons, links and items that lie on a surface: their text can be read on what is below it, also under the pointer. */
const variantColorResolver: VariantColorsResolver = (input) => {
  const usual = defaultVariantColorsResolver(input)
  const name = tones[input.color ?? 'petrol']
  if (!name || (input.variant !== 'light' && input.variant !== 'subtle')) return usual
  const tone = `var(${name})`
  const mixed = (percent: number) => `color-mix(in srgb, ${tone} ${percent}%, var(--raised))`
  const background = input.variant === 'light' ? mixed(10) : 'transparent'
  return { ...usual, color: tone, background, hover: mixed(16) }
}

/** A quiet surface in the colour of a state, legible in light and dark. */
function tinted(part: 'alert' | 'badge', color: unknown) {
  const tone = `var(${tones[String(color ?? 'petrol')] ?? '--link'})`
  return {
    [`--${part}-bg`]: `color-mix(in srgb, ${tone} ${part === 'alert' ? 8 : 13}%, var(--raised))`,
    [`--${part}-bd`]: `1px solid color-mix(in srgb, ${tone} 32%, var(--raised))`,
    [`--${part}-color`]: tone,
  }
}

export const theme = createTheme({
  primaryColor: 'petrol',
  primaryShade: 7,
  autoContrast: true,
  variantColorResolver,
  luminanceThreshold: 0.35,
  colors: { petrol, dark },
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, 'SF Mono', Menlo, Consolas, monospace",
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '19px' },
  headings: {
    fontWeight: '620',
    sizes: { h1: { fontSize: '21px' }, h2: { fontSize: '15px' }, h3: { fontSize: '14px' } },
  },
  defaultRadius: 'md',
  radius: { xs: '3px', sm: '5px', md: '7px', lg: '10px', xl: '16px' },
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Alert: Alert.extend({
      defaultProps: { radius: 'md', variant: 'light' },
      vars: (_, { color }) => ({ root: tinted('alert', color) }),
    }),
    Badge: Badge.extend({
      defaultProps: { variant: 'light', radius: 'sm', tt: 'none', fw: 560 },
      vars: (_, { color }) => ({ root: tinted('badge', color), dot: {} }),
    }),
    Button: Button.extend({ defaultProps: { size: 'sm' } }),
    Card: Card.extend({ defaultProps: { withBorder: true, padding: 'md', radius: 'lg' } }),
    Paper: Paper.extend({ defaultProps: { radius: 'lg' } }),
    InputWrapper: { defaultProps: { withAsterisk: false } }, // what is optional says so
    Modal: Modal.extend({
      defaultProps: {
        centered: true,
        radius: 'lg',
        overlayProps: { backgroundOpacity: 0.5, blur: 2 },
        closeButtonProps: { 'aria-label': 'Close' },
      },
    }),
    NavLink: NavLink.extend({ defaultProps: { variant: 'light' } }),
    Skeleton: Skeleton.extend({ defaultProps: { radius: 'sm' } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: 7, horizontalSpacing: 'sm', highlightOnHover: true } }),
    TagsInput: TagsInput.extend({ defaultProps: { dropdownOpened: false } }), // free texts: there is no list to open
    Tooltip: Tooltip.extend({
      defaultProps: { withArrow: true, openDelay: 300, events: { hover: true, focus: true, touch: true } },
    }),
  },
})
