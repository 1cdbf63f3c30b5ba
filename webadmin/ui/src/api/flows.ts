import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { client, data } from './client'
import type { Query } from './queries'

// Flows that are over, and how many there are.

/** Connectors report a flow within seconds of its end, without an event for each. */
const every = 10_000

export type FlowQuery = Omit<Query<'/api/admin/flows'>, 'sort'>

export const flows = (query: FlowQuery) =>
  queryOptions({
    queryKey: ['flows', query],
    refetchInterval: every,
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/flows', { params: { query } })),
  })

export const flowTotals = queryOptions({
  queryKey: ['flows', 'totals'],
  refetchInterval: every,
  queryFn: () => data(client.GET('/api/admin/flows/totals')),
})
