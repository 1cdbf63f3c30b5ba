import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { APIError, client, data, setCSRFToken } from './client'
import type { paths } from './schema'
import type * as t from './types'

export type Query<P extends keyof paths> = paths[P] extends { get: { parameters: { query?: infer Q } } }
  ? NonNullable<Q>
  : never

/** What a list is asked for: words of the address bar, of which the API refuses those that it does not know. */
export interface ListQuery {
  page_size?: number
  page_token?: string
  sort?: string
  status?: string
  label?: string
  q?: string
}

export type AuditQuery = ListQuery &
  Pick<Query<'/api/admin/audit'>, 'actor' | 'action' | 'target' | 'since' | 'until'> & { outcome?: string }

// Everything that is read from the server. The first part of a key is the resource, which
// events.ts invalidates by. Changes are in changes.ts, fleet.ts and account.ts.

const renewal = 500 // ms

async function readSession() {
  const s = await data(client.GET('/api/admin/session'))
  setCSRFToken(s.csrf_token)
  return s
}

export const session = queryOptions({
  queryKey: ['session'],
  staleTime: 60_000,
  retry: false,
  queryFn: async ({ client: queries, queryKey }) => {
    const ended = (err: unknown) => err instanceof APIError && err.problem.status === 401
    try {
      return await readSession()
    } catch (err) {
      if (!ended(err)) throw err
    }
    if (!queries.getQueryData(queryKey)) return null
    // A confirmation gives the session another cookie, here or in another tab, and its event
    // can overtake it: this request had the old one.
    await new Promise((resolve) => setTimeout(resolve, renewal))
    try {
      return await readSession()
    } catch (err) {
      if (ended(err)) return null
      throw err
    }
  },
})

export const setup = queryOptions({ queryKey: ['setup'], queryFn: () => data(client.GET('/api/admin/setup')) })
/** Also what needs attention, some of which comes with time and without an event. */
export const status = queryOptions({
  queryKey: ['status'],
  refetchInterval: 30_000,
  queryFn: () => data(client.GET('/api/admin/status')),
})
export const settings = queryOptions({ queryKey: ['settings'], queryFn: () => data(client.GET('/api/admin/settings')) })
export const ca = queryOptions({ queryKey: ['ca'], queryFn: () => data(client.GET('/api/admin/ca')) })
export const bootstrap = queryOptions({
  queryKey: ['ca', 'bootstrap'],
  queryFn: () => data(client.GET('/api/admin/ca/bootstrap')),
})
/** The networks to choose from, as many as one page holds. */
export const networks = queryOptions({
  queryKey: ['networks'],
  queryFn: () => data(client.GET('/api/admin/networks', { params: { query: { page_size: 500 } } })),
})

export const networkList = (query: ListQuery) =>
  queryOptions({
    queryKey: ['networks', query],
    placeholderData: keepPreviousData,
    queryFn: () =>
      data(client.GET('/api/admin/networks', { params: { query: query as Query<'/api/admin/networks'> } })),
  })

export const series = (window: '1h' | '24h') =>
  queryOptions({
    queryKey: ['series', window],
    refetchInterval: window === '1h' ? 10_000 : 60_000,
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/series', { params: { query: { window } } })),
  })

/** A heartbeat is no event; the time of a member's last one is read as often as it sends one. */
export const readEvery = 10_000

export const connectors = (query: ListQuery) =>
  queryOptions({
    queryKey: ['connectors', query],
    refetchInterval: readEvery,
    placeholderData: keepPreviousData,
    queryFn: () =>
      data(client.GET('/api/admin/connectors', { params: { query: query as Query<'/api/admin/connectors'> } })),
  })

/** The tunnelers that are online, as many as one page holds. */
export const online = queryOptions({
  queryKey: ['tunnelers', 'online'],
  queryFn: () => data(client.GET('/api/admin/tunnelers', { params: { query: { status: 'ONLINE', page_size: 500 } } })),
})

const lifetimesEvery = 30_000

/**
 * The members that are online, as many as one page holds, for the lives of their
 * SVIDs. They are not read again at each event: a life is half an hour long.
 */
export const lifetimes = (kind: t.Kind) =>
  queryOptions({
    queryKey: ['lifetimes', kind],
    staleTime: lifetimesEvery,
    refetchInterval: lifetimesEvery,
    queryFn: async (): Promise<{ members: t.Member[]; total?: number }> => {
      const params = { query: { status: 'ONLINE', page_size: 500 } as const }
      if (kind === 'connector') {
        const page = await data(client.GET('/api/admin/connectors', { params }))
        return { members: page.connectors, total: page.total }
      }
      const page = await data(client.GET('/api/admin/tunnelers', { params }))
      return { members: page.tunnelers, total: page.total }
    },
  })

/** Who has a session with a connector now: the search finds more, so what it found is read. */
export const attached = (id: string) =>
  queryOptions({
    queryKey: ['tunnelers', 'attached', id],
    queryFn: async () => {
      const query = { q: id, status: 'ONLINE', page_size: 500 } as const
      const page = await data(
        client.GET('/api/admin/tunnelers', { params: { query: query as Query<'/api/admin/tunnelers'> } }),
      )
      const sessions = page.tunnelers.flatMap((t) =>
        t.sessions.filter((s) => s.connector_id === id).map((s) => ({ tunneler: t.id, since: s.since })),
      )
      return { sessions, more: !!page.next_page_token }
    },
  })

export const hosts = (query: ListQuery) =>
  queryOptions({
    queryKey: ['hosts', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/hosts', { params: { query: query as Query<'/api/admin/hosts'> } })),
  })

export const host = (id: string) =>
  queryOptions({
    queryKey: ['hosts', id],
    queryFn: () => data(client.GET('/api/admin/hosts/{id}', { params: { path: { id } } })),
  })

export const tokens = (query: ListQuery) =>
  queryOptions({
    queryKey: ['tokens', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/tokens', { params: { query: query as Query<'/api/admin/tokens'> } })),
  })

export const token = (id: string) =>
  queryOptions({
    queryKey: ['tokens', id],
    queryFn: () => data(client.GET('/api/admin/tokens/{id}', { params: { path: { id } } })),
  })

export const requests = (query: ListQuery) =>
  queryOptions({
    queryKey: ['requests', query],
    placeholderData: keepPreviousData,
    queryFn: () =>
      data(client.GET('/api/admin/requests', { params: { query: query as Query<'/api/admin/requests'> } })),
  })

/** What a host needs before it is enrolled. */
export const enrollment = queryOptions({
  queryKey: ['enrollment'],
  queryFn: () => data(client.GET('/api/admin/enrollment')),
})

export const audit = (query: AuditQuery) =>
  queryOptions({
    queryKey: ['audit', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/audit', { params: { query: query as Query<'/api/admin/audit'> } })),
  })

export type RenewalQuery = Omit<Query<'/api/admin/audit/renewals'>, 'sort'>

/** They are written once a minute, without an event for each. */
export const renewals = (query: RenewalQuery) =>
  queryOptions({
    queryKey: ['audit', 'renewals', query],
    refetchInterval: 60_000,
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/audit/renewals', { params: { query } })),
  })

export const verification = queryOptions({
  queryKey: ['audit', 'verification'],
  queryFn: () => data(client.GET('/api/admin/audit/verification')),
})

export const people = queryOptions({
  queryKey: ['people'],
  queryFn: () => data(client.GET('/api/admin/people', { params: { query: { page_size: 500 } } })),
})

export const keys = queryOptions({
  queryKey: ['keys'],
  queryFn: () => data(client.GET('/api/admin/keys', { params: { query: { page_size: 500 } } })),
})

export const mySessions = queryOptions({
  queryKey: ['sessions', 'mine'],
  queryFn: () => data(client.GET('/api/admin/me/sessions', { params: { query: {} } })),
})

export const allSessions = queryOptions({
  queryKey: ['sessions', 'all'],
  queryFn: () => data(client.GET('/api/admin/sessions', { params: { query: { page_size: 500 } } })),
})

/** The command lines that are signed in. */
export const logins = queryOptions({
  queryKey: ['logins'],
  queryFn: () => data(client.GET('/api/admin/logins', { params: { query: { page_size: 500 } } })),
})
