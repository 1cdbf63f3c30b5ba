import { Box, Group, Skeleton, Stack, Text, Title } from '@mantine/core'
import { useDocumentTitle } from '@mantine/hooks'
import type { ReactNode } from 'react'
import { Link } from 'react-router'

type HeadProps = {
  title: string
  about?: ReactNode
  actions?: ReactNode
  up?: { to: string; label: string }
  badge?: ReactNode
}

/** The head of a page: its title, its purpose and its actions. */
export function PageHead({ title, about, actions, up, badge }: HeadProps) {
  useDocumentTitle(`${title} · grpccontroller`)
  return (
    <Group justify="space-between" align="flex-end" mb="lg" gap="md">
      <Box miw={0} maw={760}>
        {up && (
          <Text size="xs" mb={2}>
            <Link to={up.to}>{up.label}</Link>
            <Text span c="dimmed" size="xs" aria-hidden="true">
              {' '}
              /
            </Text>
          </Text>
        )}
        <Group gap="sm">
          <Title order={1} className="wrap">
            {title}
          </Title>
          {badge}
        </Group>
        {about && (
          <Text c="dimmed" size="sm" mt={3}>
            {about}
          </Text>
        )}
      </Box>
      {actions && <Group gap="xs">{actions}</Group>}
    </Group>
  )
}

type SectionProps = { title: string; aside?: ReactNode; children: ReactNode; flush?: boolean }

/** A titled part of a page. */
export function Section({ title, aside, children, flush }: SectionProps) {
  return (
    <section className="surface" aria-label={title} style={{ minWidth: 0 }}>
      <Group justify="space-between" px="md" pt={12} pb={flush ? 10 : 0} gap="xs">
        <Title order={2}>{title}</Title>
        {aside}
      </Group>
      <Box p={flush ? 0 : 'md'} pt={flush ? 0 : 10}>
        {children}
      </Box>
    </section>
  )
}

type Term = [term: string, value: ReactNode]

/** Terms and their values; what is not there takes no line. */
export function Facts({ of }: { of: (Term | false | undefined | null | '' | 0)[] }) {
  return (
    <dl className="facts">{of.map((fact) => (fact ? <Fact key={fact[0]} term={fact[0]} value={fact[1]} /> : null))}</dl>
  )
}

function Fact({ term, value }: { term: string; value: ReactNode }) {
  return (
    <>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </>
  )
}

type EmptyProps = {
  icon: React.ComponentType<{ size?: number; stroke?: number }>
  title: string
  children: ReactNode
  action?: ReactNode
}

/** What a place without content says: why, and what to do next. */
export function Empty({ icon: Icon, title, children, action }: EmptyProps) {
  return (
    <Stack align="center" gap={6} py={44} px="md" ta="center" c="dimmed">
      <Icon size={30} stroke={1.3} />
      <Text fw={560} c="var(--mantine-color-text)">
        {title}
      </Text>
      <Text size="sm" maw={440} c="dimmed">
        {children}
      </Text>
      {action && <Box mt="xs">{action}</Box>}
    </Stack>
  )
}

/** Lines where content is about to be. */
export function Loading({ lines = 5 }: { lines?: number }) {
  return (
    <Stack gap={10} py="xs" aria-busy="true" aria-label="Loading" role="status">
      {Array.from({ length: lines }, (_, i) => (
        <Skeleton key={i} height={14} width={`${92 - ((i * 17) % 40)}%`} />
      ))}
    </Stack>
  )
}
