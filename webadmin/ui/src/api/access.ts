import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { useChange } from './changes'
import { client, data } from './client'
import type { Query } from './queries'
import type * as t from './types'

// Resources, grants of them, what is decided by both, and tests of that.

export type ResourceQuery = Query<'/api/admin/resources'>
export type GrantQuery = Query<'/api/admin/grants'>
export type PolicyTestQuery = Query<'/api/admin/policy-tests'>

export const resources = (query: ResourceQuery) =>
  queryOptions({
    queryKey: ['resources', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/resources', { params: { query } })),
  })

export const resource = (id: string) =>
  queryOptions({
    queryKey: ['resources', id],
    queryFn: () => data(client.GET('/api/admin/resources/{id}', { params: { path: { id } } })),
  })

export const grants = (query: GrantQuery) =>
  queryOptions({
    queryKey: ['grants', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/grants', { params: { query } })),
  })

/** Policy tests, each with what is decided now. */
export const policyTests = (query: PolicyTestQuery) =>
  queryOptions({
    queryKey: ['policy-tests', query],
    placeholderData: keepPreviousData,
    queryFn: () => data(client.GET('/api/admin/policy-tests', { params: { query } })),
  })

/** What a connector would decide; a target is HOST:PORT. */
export const explanation = (tunneler: string, target: string) =>
  queryOptions({
    queryKey: ['explain', tunneler, target],
    enabled: !!tunneler && !!target,
    queryFn: () => data(client.POST('/api/admin/explain', { body: { tunneler_id: tunneler, target } })),
  })

export const useCreateResource = () =>
  useChange((body: t.ResourceRequest) => data(client.POST('/api/admin/resources', { body })), 'resources')
export const useChangeResource = () =>
  useChange(
    (v: { id: string; body: t.ResourceChange }) =>
      data(client.PATCH('/api/admin/resources/{id}', { params: { path: { id: v.id } }, body: v.body })),
    'resources',
  )
export const useDeleteResource = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/resources/{id}', { params: { path: { id } } })), 'resources')
export const useCreateGrant = () =>
  useChange((body: t.GrantRequest) => data(client.POST('/api/admin/grants', { body })), 'grants')
export const useChangeGrant = () =>
  useChange(
    (v: { id: string; body: t.GrantChange }) =>
      data(client.PATCH('/api/admin/grants/{id}', { params: { path: { id: v.id } }, body: v.body })),
    'grants',
  )
export const useWithdrawGrant = () =>
  useChange((id: string) => data(client.DELETE('/api/admin/grants/{id}', { params: { path: { id } } })), 'grants')
export const useCreatePolicyTest = () =>
  useChange((body: t.PolicyTestRequest) => data(client.POST('/api/admin/policy-tests', { body })), 'policy-tests')
export const useDeletePolicyTest = () =>
  useChange(
    (id: string) => data(client.DELETE('/api/admin/policy-tests/{id}', { params: { path: { id } } })),
    'policy-tests',
  )
