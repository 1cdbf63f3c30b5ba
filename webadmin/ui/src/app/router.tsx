import { createBrowserRouter } from 'react-router'
import type { Kind } from '@/api/types'
import { NotFound } from '@/pages/not-found/NotFound'
import { Broken } from './Broken'
import { Guard } from './Guard'

// Each page is a chunk of its own.
type Page = { Page: React.ComponentType }
const lazy = (load: () => Promise<Page>) => async () => ({ Component: (await load()).Page })

// Connectors and tunnelers have the same pages.
const kinds: Kind[] = ['connector', 'tunneler']
type PageOfKind = { Page: React.ComponentType<{ kind: Kind }> }
const lazyOf = (kind: Kind, load: () => Promise<PageOfKind>) => async () => {
  const { Page } = await load()
  return { Component: () => <Page kind={kind} /> }
}

export const router = createBrowserRouter([
  { path: '/setup', ErrorBoundary: Broken, lazy: lazy(() => import('@/pages/setup')), HydrateFallback: () => null },
  { path: '/sign-in', ErrorBoundary: Broken, lazy: lazy(() => import('@/pages/sign-in')), HydrateFallback: () => null },
  { path: '/claim', ErrorBoundary: Broken, lazy: lazy(() => import('@/pages/claim')), HydrateFallback: () => null },
  {
    element: <Guard />,
    ErrorBoundary: Broken,
    HydrateFallback: () => null,
    children: [
      {
        ErrorBoundary: Broken,
        children: [
          { index: true, lazy: lazy(() => import('@/pages/overview')) },
          ...kinds.flatMap((kind) => [
            { path: `${kind}s`, lazy: lazyOf(kind, () => import('@/pages/members')) },
            { path: `${kind}s/new`, lazy: lazyOf(kind, () => import('@/pages/enroll')) },
            { path: `${kind}s/:id`, lazy: lazyOf(kind, () => import('@/pages/members/detail')) },
          ]),
          { path: 'hosts', lazy: lazy(() => import('@/pages/hosts')) },
          { path: 'hosts/:id', lazy: lazy(() => import('@/pages/hosts/detail')) },
          { path: 'networks', lazy: lazy(() => import('@/pages/networks')) },
          { path: 'tokens', lazy: lazy(() => import('@/pages/tokens')) },
          { path: 'tokens/:id', lazy: lazy(() => import('@/pages/tokens/detail')) },
          { path: 'requests', lazy: lazy(() => import('@/pages/requests')) },
          { path: 'ca', lazy: lazy(() => import('@/pages/ca')) },
          { path: 'audit', lazy: lazy(() => import('@/pages/audit')) },
          { path: 'people', lazy: lazy(() => import('@/pages/people')) },
          { path: 'keys', lazy: lazy(() => import('@/pages/keys')) },
          { path: 'device', lazy: lazy(() => import('@/pages/device')) },
          { path: 'account', lazy: lazy(() => import('@/pages/account')) },
          { path: 'settings', lazy: lazy(() => import('@/pages/settings')) },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
  },
])
