import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useChange } from './changes'
import { client, data, isProblem, setCSRFToken } from './client'
import { hush } from './events'

// Changes of the person who is signed in, and of what they sign in with.

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
