import { Group, SimpleGrid, Skeleton, Title } from '@mantine/core'
import { Section } from '@/ui/Page'

export function ChartsWaiting() {
  return (
    <section aria-label="History">
      <Group justify="space-between" mb="xs">
        <Title order={2}>History</Title>
        <Skeleton height={30} width={96} />
      </Group>
      <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
        {['Online', 'Heartbeats', 'SVID rotations'].map((title) => (
          <Section key={title} title={title}>
            <Skeleton height={170} />
          </Section>
        ))}
      </SimpleGrid>
    </section>
  )
}
