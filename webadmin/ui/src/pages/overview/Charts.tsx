import '@mantine/charts/styles.css'
import { AreaChart, BarChart } from '@mantine/charts'
import { SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { series } from '@/api/queries'
import type { Series } from '@/api/types'
import { ReadFailure } from '@/ui/Failure'
import { Section } from '@/ui/Page'
import { ChartsWaiting } from './ChartsWaiting'

type Window = '1h' | '24h'

const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 })

const hour = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

/** Fewer bars than pixels: counts add up. */
function summed(s: Series, key: 'heartbeats' | 'svid_rotations', bars = 40) {
  const per = Math.max(1, Math.ceil(s.points.length / bars))
  const out: { at: string; n: number }[] = []
  for (let i = 0; i < s.points.length; i += per) {
    const group = s.points.slice(i, i + per)
    out.push({ at: group[0]?.at ?? '', n: group.reduce((n, p) => n + p[key], 0) })
  }
  return out
}

const axis = {
  dataKey: 'at',
  h: 170,
  withDots: false,
  tickLine: 'none' as const,
  gridAxis: 'x' as const,
  xAxisProps: { tickFormatter: (at: string) => (at ? hour.format(new Date(at)) : ''), minTickGap: 46 },
  yAxisProps: { width: 40, allowDecimals: false, tickFormatter: (n: number) => compact.format(n) },
  tooltipProps: {
    isAnimationActive: false,
    labelFormatter: (at: unknown) => (at ? hour.format(new Date(String(at))) : ''),
  },
  textColor: 'var(--quiet)',
  gridColor: 'var(--line)',
}

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
  const beats = summed(data, 'heartbeats')
  const rotations = summed(data, 'svid_rotations')
  const per = (n: number) => `per ${span(n)}`
  return (
    <SimpleGrid cols={{ base: 1, md: 3 }} spacing="md">
      <Section title="Online" aside={pick}>
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
            areaChartProps={{ accessibilityLayer: false }}
          />
        </Chart>
      </Section>
      <Section title="Heartbeats" aside={<Aside text={per(stepOf(data, beats.length))} />}>
        <Chart text={`${beats.at(-1)?.n ?? 0} heartbeats in the last interval`}>
          <BarChart
            {...axis}
            data={beats}
            series={[{ name: 'n', label: 'Heartbeats', color: 'petrol.5' }]}
            barProps={{ isAnimationActive: false, radius: 2 }}
            barChartProps={{ accessibilityLayer: false }}
          />
        </Chart>
      </Section>
      <Section title="SVID rotations" aside={<Aside text={per(stepOf(data, rotations.length))} />}>
        <Chart text={`${rotations.reduce((n, p) => n + p.n, 0)} rotations in the window`}>
          <BarChart
            {...axis}
            data={rotations}
            series={[{ name: 'n', label: 'Rotations', color: 'petrol.5' }]}
            barProps={{ isAnimationActive: false, radius: 2 }}
            barChartProps={{ accessibilityLayer: false }}
          />
        </Chart>
      </Section>
    </SimpleGrid>
  )
}

const stepOf = (s: Series, bars: number) => Math.ceil(s.points.length / Math.max(1, bars)) * s.step_seconds

const span = (seconds: number) => (seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`)

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
