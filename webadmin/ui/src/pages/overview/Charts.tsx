import '@mantine/charts/styles.css'
import { AreaChart, BarChart } from '@mantine/charts'
import { Group, SegmentedControl, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { series } from '@/api/queries'
import { durationOf } from '@/ui/duration'
import { ReadFailure } from '@/ui/Failure'
import { Section } from '@/ui/Page'
import { barsOf } from './bars'
import { ChartsWaiting } from './ChartsWaiting'

type Window = '1h' | '24h'

const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

const axis = {
  dataKey: 'at',
  h: 170,
  withDots: false,
  tickLine: 'none' as const,
  gridAxis: 'x' as const,
  xAxisProps: { tickFormatter: (at: string) => (at ? hour.format(new Date(at)) : ''), minTickGap: 46 },
  yAxisProps: { width: 58, allowDecimals: false, tickFormatter: (n: number) => compact.format(n) },
  tooltipProps: {
    isAnimationActive: false,
    labelFormatter: (at: unknown) => (at ? hour.format(new Date(String(at))) : ''),
  },
  textColor: 'var(--quiet)',
  gridColor: 'var(--line)',
}

// Half of the uppermost label is above its line: without this place it moves down, on the one below.
const plain = { accessibilityLayer: false, margin: { top: 10, right: 5, bottom: 5, left: 5 } }

/** The fleet over time, from the controller's memory, which begins when the controller started. */
export default function Charts() {
  const [window, setWindow] = useState<Window>('1h')
  const read = useQuery(series(window))
  const { data, error } = read
  if (error && !data) return <ReadFailure of={read} />
  if (!data) return <ChartsWaiting />
  const pick = (
    <SegmentedControl
      size="xs"
      aria-label="Time window"
      value={window}
      onChange={(v) => setWindow(v as Window)}
      data={[
        { value: '1h', label: '1 h' },
        { value: '24h', label: '24 h' },
      ]}
    />
  )
  const last = data.points.at(-1)
  if (!last || data.points.length < 2) {
    return (
      <Section title="History" aside={pick}>
        <Text size="sm" c="dimmed">
          The controller has just started and has no history yet. The first points appear within {data.step_seconds * 2}{' '}
          seconds.
        </Text>
      </Section>
    )
  }
  const beats = barsOf(data, 'heartbeats')
  const rotations = barsOf(data, 'svid_rotations')
  const bar = durationOf(`${beats.seconds}s`) // of both: they have the same points
  const begin = hour.format(new Date(beats.bars[0]?.at ?? last.at))
  const sum = rotations.bars.reduce((n, p) => n + p.n, 0)
  return (
    <section aria-label="History">
      <Group justify="space-between" mb="xs">
        <Title order={2}>History</Title>
        {pick}
      </Group>
      <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
        <Section title="Online">
          <Chart text={`${last.connectors_online} connectors and ${last.tunnelers_online} tunnelers online now`}>
            <AreaChart
              {...axis}
              data={data.points}
              curveType="stepAfter"
              strokeWidth={1.6}
              fillOpacity={0.14}
              withLegend
              legendProps={{ verticalAlign: 'bottom', height: 26 }}
              series={[
                { name: 'connectors_online', label: 'Connectors', color: 'petrol.5' },
                { name: 'tunnelers_online', label: 'Tunnelers', color: 'indigo.5' },
              ]}
              areaProps={{ isAnimationActive: false }}
              areaChartProps={plain}
            />
          </Chart>
        </Section>
        <Section title="Heartbeats" aside={<Aside text={`per ${bar}`} />}>
          <Chart text={`${(beats.bars.at(-1)?.n ?? 0).toLocaleString()} heartbeats in the last ${bar}`}>
            <BarChart
              {...axis}
              data={beats.bars}
              series={[{ name: 'n', label: 'Heartbeats', color: 'petrol.5' }]}
              barProps={{ isAnimationActive: false, radius: 2 }}
              barChartProps={plain}
            />
          </Chart>
        </Section>
        <Section title="SVID rotations" aside={<Aside text={`per ${bar}`} />}>
          <Chart text={`${sum.toLocaleString()} rotations since ${begin}`}>
            <BarChart
              {...axis}
              data={rotations.bars}
              series={[{ name: 'n', label: 'Rotations', color: 'petrol.5' }]}
              barProps={{ isAnimationActive: false, radius: 2 }}
              barChartProps={plain}
            />
          </Chart>
        </Section>
      </SimpleGrid>
    </section>
  )
}

function Aside({ text }: { text: string }) {
  return (
    <Text size="xs" c="dimmed">
      {text}
    </Text>
  )
}

/** A chart is a picture: its sentence is what a screen reader says. */
function Chart({ text, children }: { text: string; children: React.ReactNode }) {
  return (
    <Stack gap={0} role="img" aria-label={text}>
      <div aria-hidden="true" className="clipped">
        {children}
      </div>
    </Stack>
  )
}
