import { keepPreviousData, QueryClient, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query'
import { APIError, client, data, isProblem, setCSRFToken } from './client'
import type { AuditQuery, ListQuery, MemberQuery } from './paths'
import type * as t from './types'

// Every query and every change of the server's state is here. The first part of a
// key is the resource, which events.ts invalidates by.

export function newQueryClient() {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 5_000,
        refetchOnWindowFocus: true,
        // What the API refused it will refuse again.
        retry: (failures, err) => failures < 2 && !(err instanceof APIError && err.problem.status >= 400),
      },
    },
  })
}

export const session = queryOptions({
  queryKey: ['session'],
  staleTime: 60_000,
  retry: false,
  queryFn: async () => {
    try {
      const s = await data(client.GET('/session'))
      setCSRFToken(s.csrf_token)
      return s
    } catch (err) {
      if (err instanceof APIError && err.problem.status === 401) return null
      throw err
    }
  },
})

export const setup = queryOptions({ queryKey: ['setup'], queryFn: () => data(client.GET('/setup')) })
export const status = queryOptions({ queryKey: ['status'], queryFn: () => data(client.GET('/status')) })
export const settings = queryOptions({ queryKey: ['settings'], queryFn: () => data(client.GET('/settings')) })
export const ca = queryOptions({ queryKey: ['ca'], queryFn: () => data(client.GET('/ca')) })
export const networks = queryOptions({
  queryKey: ['networks'],
  queryFn: () => data(client.GET('/networks', { params: { query: { page_size: 500 } } })),
})

export const series = (window: '1h' | '24h') =>
  queryOptions({
    queryKey: ['series', window],
    refetchInterval: window === '1h' ? 10_000 : 60_000,
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/series', { params: { query: { window } } })),
  })

export const connectors = (query: MemberQuery) =>
  queryOptions({
    queryKey: ['connectors', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/connectors', { params: { query } })),
  })

export const tunnelers = (query: MemberQuery) =>
  queryOptions({
    queryKey: ['tunnelers', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/tunnelers', { params: { query } })),
  })

export const connector = (id: string) =>
  queryOptions({
    queryKey: ['connectors', id],
    queryFn: () => data(client.GET('/connectors/{id}', { params: { path: { id } } })),
  })

export const tunneler = (id: string) =>
  queryOptions({
    queryKey: ['tunnelers', id],
    queryFn: () => data(client.GET('/tunnelers/{id}', { params: { path: { id } } })),
  })

export const hosts = (query: ListQuery) =>
  queryOptions({
    queryKey: ['hosts', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/hosts', { params: { query } })),
  })

export const tokens = (query: ListQuery) =>
  queryOptions({
    queryKey: ['tokens', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/tokens', { params: { query } })),
  })

export const token = (id: string) =>
  queryOptions({
    queryKey: ['tokens', id],
    queryFn: () => data(client.GET('/tokens/{id}', { params: { path: { id } } })),
  })

export const requests = (query: ListQuery) =>
  queryOptions({
    queryKey: ['requests', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/requests', { params: { query } })),
  })

export const audit = (query: AuditQuery) =>
  queryOptions({
    queryKey: ['audit', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/audit', { params: { query } })),
  })

export const verification = queryOptions({
  queryKey: ['audit', 'verification'],
  queryFn: () => data(client.GET('/audit/verification')),
})

export const people = queryOptions({
  queryKey: ['people'],
  queryFn: () => data(client.GET('/people', { params: { query: { page_size: 500 } } })),
})

export const keys = queryOptions({
  queryKey: ['keys'],
  queryFn: () => data(client.GET('/keys', { params: { query: { page_size: 500 } } })),
})

export const mySessions = queryOptions({
  queryKey: ['sessions', 'mine'],
  queryFn: () => data(client.GET('/me/sessions', { params: { query: {} } })),
})

export const allSessions = queryOptions({
  queryKey: ['sessions', 'all'],
  queryFn: () => data(client.GET('/sessions', { params: { query: { page_size: 500 } } })),
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

export const useCreateToken = () =>
  useChange((body: t.TokenRequest) => data(client.POST('/tokens', { body })), 'tokens')
export const useRevokeToken = () =>
  useChange((id: string) => data(client.DELETE('/tokens/{id}', { params: { path: { id } } })), 'tokens')
export const useRevokeMember = (kind: t.Kind) =>
  useChange(
    (id: string) =>
      kind === 'connector'
        ? data(client.DELETE('/connectors/{id}', { params: { path: { id } } }))
        : data(client.DELETE('/tunnelers/{id}', { params: { path: { id } } })),
    'connectors',
    'tunnelers',
    'hosts',
    'status',
  )
export const useApprove = () =>
  useChange(
    (v: { id: string; body: t.Approval }) =>
      data(client.POST('/requests/{id}/approve', { params: { path: { id: v.id } }, body: v.body })),
    'requests',
  )
export const useDeny = () =>
  useChange(
    (id: string) => data(client.POST('/requests/{id}/deny', { params: { path: { id } }, body: {} })),
    'requests',
  )
export const useClaim = () =>
  useChange((code: string) => data(client.POST('/claims/{code}', { params: { path: { code } }, body: {} })))
export const useRotate = () =>
  useChange((body: t.RotationRequest) => data(client.POST('/ca/rotations', { body })), 'ca')
export const useResumeRotation = () => useChange(() => data(client.POST('/ca/rotations/resume', { body: {} })), 'ca')
export const useAbortRotation = () => useChange(() => data(client.POST('/ca/rotations/abort', { body: {} })), 'ca')

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
    data(client.POST('/session', { body })),
  )
export const useSetUp = () =>
  useIdentityChange((body: { code: string; name: string; email: string; password: string }) =>
    data(client.POST('/setup', { body })),
  )
export const useSignOut = () =>
  useIdentityChange(async () => {
    try {
      await data(client.DELETE('/session'))
    } catch (err) {
      if (!isProblem(err, 'unauthenticated')) throw err
    }
  })
export const useStepUp = () =>
  useChange(async (body: { password?: string; totp?: string }) => {
    const s = await data(client.POST('/session/step-up', { body }))
    if (s?.csrf_token) setCSRFToken(s.csrf_token)
  }, 'session')

export const useSetPassword = () =>
  useChange(
    (body: { current_password: string; new_password: string }) => data(client.POST('/me/password', { body })),
    'sessions',
  )
export const useStartTOTP = () => useChange(() => data(client.POST('/me/totp', { body: {} })))
export const useConfirmTOTP = () =>
  useChange((code: string) => data(client.POST('/me/totp/confirm', { body: { code } })), 'session')
export const useDropTOTP = () => useChange(() => data(client.DELETE('/me/totp')), 'session')
export const useEndMySession = () =>
  useChange((id: string) => data(client.DELETE('/me/sessions/{id}', { params: { path: { id } } })), 'sessions')
export const useEndSession = () =>
  useChange((id: string) => data(client.DELETE('/sessions/{id}', { params: { path: { id } } })), 'sessions')

export const useAddPerson = () => useChange((body: t.PersonRequest) => data(client.POST('/people', { body })), 'people')
export const useChangePerson = () =>
  useChange(
    (v: { id: string; body: Partial<t.PersonRequest> & { disabled?: boolean } }) =>
      data(client.PATCH('/people/{id}', { params: { path: { id: v.id } }, body: v.body })),
    'people',
    'sessions',
  )
export const useRemovePerson = () =>
  useChange((id: string) => data(client.DELETE('/people/{id}', { params: { path: { id } } })), 'people', 'sessions')
export const useResetPerson = () =>
  useChange((id: string) => data(client.POST('/people/{id}/reset', { params: { path: { id } }, body: {} })), 'people')
export const useCreateKey = () => useChange((body: t.KeyRequest) => data(client.POST('/keys', { body })), 'keys')
export const useRevokeKey = () =>
  useChange((id: string) => data(client.DELETE('/keys/{id}', { params: { path: { id } } })), 'keys')
