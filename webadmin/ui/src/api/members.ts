import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import { client, data } from './client'
import { readEvery, type ListQuery, type Query } from './queries'
import type { Kind, Member } from './types'

// Connectors and tunnelers have one set of pages; what differs in the API is here.

export type MemberPage = { members: Member[]; next_page_token: string; total?: number }

/** A page of the members of a kind. */
export const members = (kind: Kind, query: ListQuery) =>
  queryOptions({
    queryKey: [`${kind}s`, 'page', query],
    refetchInterval: readEvery,
    placeholderData: keepPreviousData,
    queryFn: async (): Promise<MemberPage> => {
      if (kind === 'connector') {
        const page = await data(
          client.GET('/api/admin/connectors', { params: { query: query as Query<'/api/admin/connectors'> } }),
        )
        return { ...page, members: page.connectors }
      }
      const page = await data(
        client.GET('/api/admin/tunnelers', { params: { query: query as Query<'/api/admin/tunnelers'> } }),
      )
      return { ...page, members: page.tunnelers }
    },
  })

/** One member, under the key that the page of its kind uses too. */
export const member = (kind: Kind, id: string) =>
  queryOptions<Member>({
    queryKey: [`${kind}s`, id],
    refetchInterval: readEvery,
    queryFn: () =>
      kind === 'connector'
        ? data(client.GET('/api/admin/connectors/{id}', { params: { path: { id } } }))
        : data(client.GET('/api/admin/tunnelers/{id}', { params: { path: { id } } })),
  })
