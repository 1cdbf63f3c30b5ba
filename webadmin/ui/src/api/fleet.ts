import { client, data } from './client'
import { useChange } from './changes'
import type * as t from './types'

// What operators say of members, hosts and networks, and what they do to many at once.

export type Described = t.Kind | 'host'

type ChangeBody = t.AboutChange & { network_id?: string }

/** Changes name, labels, notes, and of a connector its network. */
export const useChangeAbout = (kind: Described) =>
  useChange(
    async ({ id, body }: { id: string; body: ChangeBody }): Promise<unknown> => {
      const params = { path: { id } }
      if (kind === 'connector') return data(client.PATCH('/api/admin/connectors/{id}', { params, body }))
      if (kind === 'tunneler') return data(client.PATCH('/api/admin/tunnelers/{id}', { params, body }))
      return data(client.PATCH('/api/admin/hosts/{id}', { params, body }))
    },
    `${kind}s`,
    'networks',
  )

/** Revokes all members of a kind with a label, or says who they would be. */
export const useRevokeLabelled = () =>
  useChange(
    (body: t.BulkRevocation) => data(client.POST('/api/admin/revocations', { body })),
    'connectors',
    'tunnelers',
    'hosts',
    'status',
  )

export const useCreateNetwork = () =>
  useChange((body: t.NetworkRequest) => data(client.POST('/api/admin/networks', { body })), 'networks')
export const useChangeNetwork = () =>
  useChange(
    (v: { id: string; body: t.NetworkChange }) =>
      data(client.PATCH('/api/admin/networks/{id}', { params: { path: { id: v.id } }, body: v.body })),
    'networks',
  )
export const useDeleteNetwork = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/networks/{id}', { params: { path: { id } } })), 'networks')
