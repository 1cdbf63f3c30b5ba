import {
  keepPreviousData,
  MutationCache,
  QueryCache,
  QueryClient,
  queryOptions,
  useMutation,
  useQueryClient,
} from '@tanstack/react-query'
import { APIError, client, data, isAway, isProblem, notFound, setCSRFToken } from './client'
import { hush } from './events'
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
  q?: string
}

export type AuditQuery = ListQuery &
  Pick<Query<'/api/admin/audit'>, 'actor' | 'action' | 'target' | 'since' | 'until'> & { outcome?: string }

// Every query and every change of the server's state is here. The first part of a
// key is the resource, which events.ts invalidates by.

const again = 3_000 // ms

export function newQueryClient(): QueryClient {
  // A session that has ended is noticed by whoever asks next, and leads to the sign-in page.
  const onError = (err: Error) => {
    if (isProblem(err, 'unauthenticated')) void queries.invalidateQueries({ queryKey: ['session'] })
  }
  const queries = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        refetchOnWindowFocus: true,
        // What got no answer is asked for until it has one, also where no event stream says when.
        refetchInterval: (query) => isAway(query.state.error) && again,
        // What the API refused it will refuse again.
        retry: (failures, err) => failures < 2 && !(err instanceof APIError && err.problem.status >= 400),
      },
    },
  })
  return queries
}

export const session = queryOptions({
  queryKey: ['session'],
  staleTime: 60_000,
  retry: false,
  queryFn: async () => {
    try {
      const s = await data(client.GET('/api/admin/session'))
      setCSRFToken(s.csrf_token)
      return s
    } catch (err) {
      if (err instanceof APIError && err.problem.status === 401) return null
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
export const networks = queryOptions({
  queryKey: ['networks'],
  queryFn: () => data(client.GET('/api/admin/networks', { params: { query: { page_size: 500 } } })),
})

export const series = (window: '1h' | '24h') =>
  queryOptions({
    queryKey: ['series', window],
    refetchInterval: window === '1h' ? 10_000 : 60_000,
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/series', { params: { query: { window } } })),
  })

/** A heartbeat is no event; when a member was last heard of is asked for as often as it is heard of. */
export const heardEvery = 10_000

export const connectors = (query: ListQuery) =>
  queryOptions({
    queryKey: ['connectors', query],
    refetchInterval: heardEvery,
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

/** One token, by the search of the list: a list without it answers as a 404 would. */
export const token = (id: string) =>
  queryOptions({
    queryKey: ['tokens', id],
    queryFn: async (): Promise<t.Token> => {
      const page = await data(client.GET('/api/admin/tokens', { params: { query: { q: id } } }))
      const found = page.tokens.find((t) => t.token_id === id)
      if (!found) throw notFound(`there is no enrollment token with the id ${id}`)
      return found
    },
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

/** A change, after which the named resources are read again. */
function useChange<V, R>(change: (v: V) => Promise<R>, ...resources: string[]) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSettled: () => {
      for (const resource of resources) queries.invalidateQueries({ queryKey: [resource] })
    },
  })
}

export const useDismiss = () =>
  useChange(
    (id: string) => data(client.POST('/api/admin/attention/{id}/dismiss', { params: { path: { id } } })),
    'status',
    'audit',
  )
export const useCreateToken = () =>
  useChange((body: t.TokenRequest) => data(client.POST('/api/admin/tokens', { body })), 'tokens')
export const useRevokeToken = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/tokens/{id}', { params: { path: { id } } })), 'tokens')
export const useRevokeMember = (kind: t.Kind) =>
  useChange(
    (id: string) =>
      kind === 'connector'
        ? data(client.DELETE('/api/admin/connectors/{id}', { params: { path: { id } } }))
        : data(client.DELETE('/api/admin/tunnelers/{id}', { params: { path: { id } } })),
    'connectors',
    'tunnelers',
    'hosts',
    'status',
  )
export const useApprove = () =>
  useChange(
    (v: { id: string; body: t.Approval }) =>
      data(client.POST('/api/admin/requests/{id}/approve', { params: { path: { id: v.id } }, body: v.body })),
    'requests',
  )
export const useDeny = () =>
  useChange(
    (id: string) => data(client.POST('/api/admin/requests/{id}/deny', { params: { path: { id } } })),
    'requests',
  )
export const useClaim = () =>
  useChange((code: string) => data(client.POST('/api/admin/claims/{code}', { params: { path: { code } }, body: {} })))
export const useRotate = () =>
  useChange((body: t.RotationRequest) => data(client.POST('/api/admin/ca/rotations', { body })), 'ca')
export const useResumeRotation = () =>
  useChange(() => data(client.POST('/api/admin/ca/rotations/resume', { body: { confirm: 'resume' } })), 'ca')
export const useAbortRotation = () => useChange(() => data(client.POST('/api/admin/ca/rotations/abort')), 'ca')
export const useReplaceBootstrap = () =>
  useChange((body: t.BootstrapRequest) => data(client.POST('/api/admin/ca/bootstrap/replacements', { body })), 'ca')
export const useAbortBootstrap = () =>
  useChange(() => data(client.POST('/api/admin/ca/bootstrap/replacements/abort')), 'ca')

/** Signing in or out changes who asks: nothing that was read before may stay. */
function useIdentityChange<V>(change: (v: V) => Promise<unknown>) {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: change,
    onSuccess: async () => {
      queries.removeQueries({ predicate: (q) => q.queryKey[0] !== 'session' && q.queryKey[0] !== 'setup' })
      queries.invalidateQueries({ queryKey: ['setup'] })
      await queries.refetchQueries({ queryKey: ['session'] })
    },
  })
}

export const useSignIn = () =>
  useIdentityChange((body: { email: string; password: string; totp?: string }) =>
    data(client.POST('/api/admin/session', { body })),
  )
export const useSetUp = () =>
  useIdentityChange((body: { code: string; name?: string; email?: string; password: string }) =>
    data(client.POST('/api/admin/setup', { body })),
  )
export const useSignOut = () => {
  const queries = useQueryClient()
  return useIdentityChange(async () => {
    hush()
    await queries.cancelQueries()
    try {
      await data(client.DELETE('/api/admin/session'))
    } catch (err) {
      if (!isProblem(err, 'unauthenticated')) throw err
    }
  })
}
export const useStepUp = () =>
  useChange(async (body: { password?: string; totp?: string }) => {
    const s = await data(client.POST('/api/admin/session/step-up', { body }))
    if (s?.csrf_token) setCSRFToken(s.csrf_token)
  }, 'session')

export const useSetPassword = () =>
  useChange(
    (body: { current: string; password: string }) => data(client.POST('/api/admin/me/password', { body })),
    'sessions',
  )
export const useStartTOTP = () => useChange(() => data(client.POST('/api/admin/me/totp')))
export const useConfirmTOTP = () =>
  useChange((code: string) => data(client.POST('/api/admin/me/totp/confirm', { body: { code } })), 'session')
export const useDropTOTP = () => useChange(() => data(client.DELETE('/api/admin/me/totp')), 'session')
export const useEndMySession = () =>
  useChange(
    (id: string) => data(client.DELETE('/api/admin/me/sessions/{id}', { params: { path: { id } } })),
    'sessions',
  )
export const useEndSession = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/sessions/{id}', { params: { path: { id } } })), 'sessions')

export const useSignOutEverywhere = () => {
  const queries = useQueryClient()
  return useIdentityChange(async () => {
    hush()
    await queries.cancelQueries()
    await data(client.DELETE('/api/admin/me/sessions'))
  })
}

export const useLookAtDevice = () =>
  useChange((user_code: string) => data(client.POST('/api/admin/device/look', { body: { user_code } })))
export const useApproveDevice = () =>
  useChange(
    (user_code: string) => data(client.POST('/api/admin/device/approve', { body: { user_code } })),
    'sessions',
    'logins',
  )
export const useDenyDevice = () =>
  useChange((user_code: string) => data(client.POST('/api/admin/device/deny', { body: { user_code } })))
export const useEndLogin = () =>
  useChange(
    (id: string) => data(client.DELETE('/api/admin/logins/{id}', { params: { path: { id } } })),
    'logins',
    'sessions',
  )

export const useAddPerson = () =>
  useChange((body: t.PersonRequest) => data(client.POST('/api/admin/people', { body })), 'people')
export const useChangePerson = () =>
  useChange(
    (v: { id: string; body: t.PersonChange }) =>
      data(client.PATCH('/api/admin/people/{id}', { params: { path: { id: v.id } }, body: v.body })),
    'people',
    'sessions',
    'keys',
  )
export const useRemovePerson = () =>
  useChange(
    (v: { id: string; keys: 'revoke' | 'keep' }) =>
      data(client.DELETE('/api/admin/people/{id}', { params: { path: { id: v.id }, query: { keys: v.keys } } })),
    'people',
    'sessions',
    'keys',
  )
export const useResetPerson = () =>
  useChange(
    (id: string) =>
      data(client.POST('/api/admin/people/{id}/reset', { params: { path: { id } }, body: { confirm: 'reset' } })),
    'people',
  )
export const useCreateKey = () =>
  useChange((body: t.KeyRequest) => data(client.POST('/api/admin/keys', { body })), 'keys')
export const useRevokeKey = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/keys/{id}', { params: { path: { id } } })), 'keys')
