import { Group, Progress, Stack, Text } from '@mantine/core'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useRef } from 'react'
import type { Gate, Holdout } from '@/api/types'
import { Prose } from '@/ui/prose'
import { Countdown } from '@/ui/time'

/** A wait: how many of n are ready, and which are not. */
export function GateView({ gate, label }: { gate: Gate; label: string }) {
  const share = gate.total ? (100 * gate.through) / gate.total : 100
  return (
    <Stack gap="xs">
      <Group justify="space-between">
        <Text size="sm" fw={560}>
          {label}
        </Text>
        <Text size="sm" className="numbers" aria-live="polite">
          {gate.through.toLocaleString()} of {gate.total.toLocaleString()}
        </Text>
      </Group>
      <Progress value={share} aria-label={`${label}: ${gate.through} of ${gate.total}`} />
      {gate.deadline && (
        <Text size="sm" c="dimmed">
          Waits at most <Countdown to={gate.deadline} over="0 s" /> more
        </Text>
      )}
      {gate.held_up_by.length > 0 && <Holdouts of={gate.held_up_by} />}
    </Stack>
  )
}

const line = 30

/** The members that are not ready; there may be thousands. */
function Holdouts({ of }: { of: Holdout[] }) {
  const box = useRef<HTMLElement>(null)
  const rows = useVirtualizer({
    count: of.length,
    getScrollElement: () => box.current,
    estimateSize: () => line,
    overscan: 8,
  })
  return (
    <div>
      <Text size="xs" c="dimmed" mb={4}>
        Blocked by {of.length.toLocaleString()}
      </Text>
      <section
        ref={box}
        tabIndex={0}
        aria-label="Blocked by"
        style={{
          maxHeight: line * 7,
          overflowY: 'auto',
          border: '1px solid var(--line)',
          borderRadius: 8,
        }}
      >
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map((v) => {
            const h = of[v.index]
            return (
              h && (
                <Group
                  key={v.key}
                  data-index={v.index}
                  ref={rows.measureElement}
                  align="flex-start"
                  px={10}
                  py={4}
                  style={{
                    gap: '0 var(--mantine-spacing-md)',
                    position: 'absolute',
                    top: 0,
                    left: 0,
                    right: 0,
                    transform: `translateY(${v.start}px)`,
                  }}
                >
                  <Text size="sm" className="mono wrap" flex="1 1 200px">
                    {h.name}
                  </Text>
                  <Text size="sm" c="dimmed" className="wrap" flex="1 1 200px">
                    <Prose of={h.why} />
                  </Text>
                </Group>
              )
            )
          })}
        </div>
      </section>
    </div>
  )
}
