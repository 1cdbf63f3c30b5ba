import { useMutation, useQueryClient } from '@tanstack/react-query'
import { client, data } from './client'
import type * as t from './types'

/** A change, after which the named resources are read again. */
export function useChange<V, R>(change: (v: V) => Promise<R>, ...resources: string[]) {
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
