import { MutationCache, QueryCache, QueryClient } from '@tanstack/react-query'
import { APIError, isPassing, isProblem } from './client'

const again = 3_000 // ms

export function newQueryClient(): QueryClient {
  // A session that has ended is noticed at the next request, and leads to the sign-in page.
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
        // What got no good answer is asked for until it has one, also where no event stream says when.
        refetchInterval: (query) => (isPassing(query.state.error) ? again : false),
        // What the API refused it will refuse again.
        retry: (failures, err) => failures < 2 && !(err instanceof APIError && err.problem.status >= 400),
      },
    },
  })
  return queries
}
