import { SimpleGrid, Skeleton } from '@mantine/core'
import { Section } from '@/ui/Page'

export function ChartsWaiting() {
  return (
    <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
      {['Online', 'Heartbeats', 'SVID rotations'].map((title) => (
        <Section key={title} title={title}>
          <Skeleton height={170} />
        </Section>
      ))}
    </SimpleGrid>
  )
}
