import { Button, Group, Stack, Text } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { IconSitemap, IconX } from '@tabler/icons-react'
import { useQueries, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { Link, useSearchParams } from 'react-router'
import { grants, resource, resources } from '@/api/access'
import { member, members } from '@/api/members'
import { When } from '@/pages/grants/Parts'
import { referencesTo } from '@/pages/grants/reference'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Empty, Loading, PageHead, Section } from '@/ui/Page'
import { useNow } from '@/ui/time'
import { type Graph, graphOf, type Line, thingOf } from './graph'
import { Picture } from './Picture'

/** As many as one page of the API holds. What is beyond is said. */
const atMost = 500

/** Who reaches what: all of it, or what concerns the tunneler or resource in the address. */
export function Page() {
  const [params] = useSearchParams()
  const [tunneler, only] = [params.get('tunneler') ?? '', params.get('resource') ?? '']
  return (
    <>
      <PageHead
        title="Who reaches what"
        about="What grants allow: tunnelers on the left, resources on the right. Of several resources that cover a target the most specific ones decide alone; Explain answers for one target."
        actions={
          <>
            {(tunneler || only) && (
              <Button component={Link} to="/reach" variant="default" leftSection={<IconX size={16} />}>
                Show all
              </Button>
            )}
            <Button
              component={Link}
              to={`/explain${tunneler && `?from=${encodeURIComponent(tunneler)}`}`}
              variant="default"
            >
              Explain one target
            </Button>
          </>
        }
      />
      <Reach tunneler={tunneler} only={only} />
    </>
  )
}

/** What the picture is drawn from, of everything or of one tunneler or resource. */
function useInput(tunneler: string, only: string) {
  const t = useQuery({ ...member('tunneler', tunneler), enabled: !!tunneler })
  const r = useQuery({ ...resource(only), enabled: !!only })
  const tunnelers = useQuery({ ...members('tunneler', { page_size: atMost }), enabled: !tunneler })
  const all = useQuery({ ...resources({ page_size: atMost }), enabled: !only })
  const focus = tunneler ? t.data : only ? r.data : undefined
  const known = tunneler || only ? !!focus || t.isError || r.isError : true
  const references = tunneler
    ? referencesTo('tunneler', tunneler, t.data?.labels)
    : only
      ? referencesTo('resource', only, r.data?.labels)
      : ['']
  const lists = useQueries({
    queries: references.map((ref) => ({
      ...grants({ page_size: atMost, ...(ref && { [tunneler ? 'subject' : 'object']: ref }) }),
      enabled: known,
    })),
  })
  const rows = lists.flatMap((l) => l.data?.grants ?? [])
  return {
    // A tunneler that is not enrolled may have grants: it is no fault here.
    failed: [...lists, ...(tunneler ? [] : [tunnelers]), all, ...(only ? [r] : [])],
    ready: [...lists, ...(tunneler ? [] : [tunnelers]), only ? r : all].every((read) => read.data),
    rows,
    missing: lists.reduce((n, l) => n + (l.data ? l.data.total - l.data.grants.length : 0), 0),
    tunnelers: tunneler
      ? {
          things: [{ id: tunneler, labels: t.data?.labels, about: t.isError ? 'not enrolled' : '' }],
          complete: false,
          only: tunneler,
        }
      : {
          things: tunnelers.data?.members.map(({ id, labels, name }) => ({ id, labels, about: name })) ?? [],
          complete: !!tunnelers.data && !tunnelers.data.next_page_token,
        },
    resources: only
      ? { things: r.data ? [thingOf(r.data)] : [], complete: false, only }
      : { things: all.data?.resources.map(thingOf) ?? [], complete: !!all.data && !all.data.next_page_token },
  }
}

function Reach({ tunneler, only }: { tunneler: string; only: string }) {
  const { ref, width } = useElementSize()
  const input = useInput(tunneler, only)
  // A minute is enough: an end is drawn, and the table says it to the second.
  const minute = Math.floor(useNow() / 60_000) * 60_000
  const graph = graphOf({ grants: input.rows, tunnelers: input.tunnelers, resources: input.resources, now: minute })
  const failed = input.failed.some((f) => f.error)
  const nothing = input.ready && !graph.lines.length
  return (
    <Stack gap="md">
      {(tunneler || only) && (
        <Text size="sm">
          Only what concerns {tunneler ? 'the tunneler' : 'the resource'}{' '}
          <Link to={tunneler ? `/tunnelers/${encodeURIComponent(tunneler)}` : `/resources/${encodeURIComponent(only)}`}>
            <Id of={tunneler || only} />
          </Link>
          .
        </Text>
      )}
      <ReadFailure of={input.failed} says={{ 'not-found': 'No resource has this id. Was it deleted?' }} />
      {!input.ready && !failed && <Loading lines={8} />}
      {nothing && (
        <div className="surface">
          <Empty icon={IconSitemap} title="Nobody reaches anything">
            {tunneler || only
              ? 'No grant concerns it.'
              : 'No grant is of something that is there. Create a resource, then grant it to a tunneler.'}
          </Empty>
        </div>
      )}
      {input.ready && !nothing && (
        <>
          <Section title="Picture" aside={<Legend graph={graph} />}>
            <div ref={ref} className="clipped">
              {width > 0 && <Picture graph={graph} width={width} />}
            </div>
          </Section>
          <Section title="The same as a table" flush>
            <Table graph={graph} />
          </Section>
          {input.missing > 0 && (
            <Text size="sm" c="dimmed">
              {input.missing.toLocaleString()} more grants are not shown. Open the picture from the page of a tunneler
              or resource to see all of that one.
            </Text>
          )}
        </>
      )}
    </Stack>
  )
}

function Legend({ graph }: { graph: Graph }) {
  const has = (hold: Line['hold']) => graph.lines.some((l) => l.hold === hold)
  return (
    <Group gap="md">
      {has('hours') && <Key dash="7 4" color="var(--link)" text="at certain hours" />}
      {has('ended') && <Key dash="2 5" color="var(--quiet)" text="ended" />}
    </Group>
  )
}

function Key({ dash, color, text }: { dash: string; color: string; text: string }) {
  return (
    <Group gap={6} wrap="nowrap">
      <svg width="30" height="4" aria-hidden="true">
        <line x1="0" x2="30" y1="2" y2="2" stroke={color} strokeWidth="2" strokeDasharray={dash} />
      </svg>
      <Text size="xs" c="dimmed">
        {text}
      </Text>
    </Group>
  )
}

type Row = Line & { who: string; what: string }

function Table({ graph }: { graph: Graph }) {
  const columns = useMemo(() => columnsOf(graph), [graph])
  const name = (nodes: Graph['left'], key: string) => nodes.find((n) => n.key === key)?.label ?? key
  const rows = graph.lines
    .map((l): Row => ({ ...l, who: name(graph.left, l.from), what: name(graph.right, l.to) }))
    .sort((a, b) => a.who.localeCompare(b.who) || a.what.localeCompare(b.what))
  return (
    <Grid
      label="Who reaches what"
      columns={columns}
      rows={rows}
      rowKey={(r) => `${r.from}\n${r.to}`}
      faded={(r) => r.hold === 'ended'}
      empty={null}
    />
  )
}

/** So many grants of one line are named; the list has the others. */
const named = 3

const columnsOf = (graph: Graph): Column<Row>[] => {
  const node = (nodes: Graph['left'], key: string) => nodes.find((n) => n.key === key)
  const cell = (nodes: Graph['left'], key: string) => {
    const n = node(nodes, key)
    if (!n) return key
    return (
      <>
        <Link to={n.to}>{n.kind === 'more' ? n.label : <Id of={n.label} />}</Link>
        {n.about && (
          <Text size="xs" c="dimmed" className="wrap">
            {n.about}
          </Text>
        )}
      </>
    )
  }
  return [
    { id: 'who', header: 'Who', cell: ({ row }) => cell(graph.left, row.original.from) },
    { id: 'what', header: 'Reaches', cell: ({ row }) => cell(graph.right, row.original.to) },
    {
      id: 'grants',
      header: 'By',
      cell: ({ row: { original: r } }) => (
        <Stack gap={4}>
          {r.grants.slice(0, named).map((g) => (
            <Text key={g.id} size="sm" component="div" className="wrap">
              <Link to={`/grants?q=${encodeURIComponent(g.id)}`}>
                <Id of={g.id} />
              </Link>
            </Text>
          ))}
          {r.grants.length > named && (
            <Text size="sm">and {(r.grants.length - named).toLocaleString()} more grants</Text>
          )}
        </Stack>
      ),
    },
    {
      id: 'when',
      header: 'When',
      cell: ({ row: { original: r } }) => {
        if (r.hold === 'always' && r.grants.some((g) => !g.until && !g.windows?.length)) return 'always'
        return (
          <Stack gap={4}>
            {r.grants.slice(0, named).map((g) => (
              <div key={g.id}>
                <When of={g} />
              </div>
            ))}
          </Stack>
        )
      },
    },
  ]
}
