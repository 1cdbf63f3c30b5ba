import { createBrowserRouter } from 'react-router'
import type { Kind } from '@/api/types'
import { NotFound } from '@/pages/not-found/NotFound'
import { Boot } from './Boot'
import { Broken } from './Broken'
import { code } from './code'
import { Guard } from './Guard'

// Each page is a chunk of its own.
type Page = { Page: React.ComponentType }
const lazy = (what: string, load: () => Promise<Page>) => async () => ({ Component: (await code(what, load)).Page })

// Connectors and tunnelers have the same pages.
const kinds: Kind[] = ['connector', 'tunneler']
type PageOfKind = { Page: React.ComponentType<{ kind: Kind }> }
const lazyOf = (kind: Kind, what: string, load: () => Promise<PageOfKind>) => async () => {
  const { Page } = await code(what, load)
  return { Component: () => <Page kind={kind} /> }
}

export const router = createBrowserRouter([
  { path: '/setup', ErrorBoundary: Broken, lazy: lazy('setup', () => import('@/pages/setup')), HydrateFallback: Boot },
  {
    path: '/sign-in',
    ErrorBoundary: Broken,
    lazy: lazy('sign-in', () => import('@/pages/sign-in')),
    HydrateFallback: Boot,
  },
  { path: '/claim', ErrorBoundary: Broken, lazy: lazy('claim', () => import('@/pages/claim')), HydrateFallback: Boot },
  {
    element: <Guard />,
    ErrorBoundary: Broken,
    HydrateFallback: Boot,
    children: [
      {
        ErrorBoundary: Broken,
        children: [
          { index: true, lazy: lazy('overview', () => import('@/pages/overview')) },
          ...kinds.flatMap((kind) => [
            { path: `${kind}s`, lazy: lazyOf(kind, 'members', () => import('@/pages/members')) },
            { path: `${kind}s/new`, lazy: lazyOf(kind, 'enroll', () => import('@/pages/enroll')) },
            { path: `${kind}s/:id`, lazy: lazyOf(kind, 'members/detail', () => import('@/pages/members/detail')) },
          ]),
          { path: 'hosts', lazy: lazy('hosts', () => import('@/pages/hosts')) },
          { path: 'hosts/:id', lazy: lazy('hosts/detail', () => import('@/pages/hosts/detail')) },
          { path: 'networks', lazy: lazy('networks', () => import('@/pages/networks')) },
          { path: 'resources', lazy: lazy('resources', () => import('@/pages/resources')) },
          { path: 'resources/:id', lazy: lazy('resources/detail', () => import('@/pages/resources/detail')) },
          { path: 'grants', lazy: lazy('grants', () => import('@/pages/grants')) },
          { path: 'reach', lazy: lazy('reach', () => import('@/pages/reach')) },
          { path: 'explain', lazy: lazy('explain', () => import('@/pages/explain')) },
          { path: 'policy-tests', lazy: lazy('policytests', () => import('@/pages/policytests')) },
          { path: 'flows', lazy: lazy('flows', () => import('@/pages/flows')) },
          { path: 'tokens', lazy: lazy('tokens', () => import('@/pages/tokens')) },
          { path: 'tokens/:id', lazy: lazy('tokens/detail', () => import('@/pages/tokens/detail')) },
          { path: 'requests', lazy: lazy('requests', () => import('@/pages/requests')) },
          { path: 'ca', lazy: lazy('ca', () => import('@/pages/ca')) },
          { path: 'audit', lazy: lazy('audit', () => import('@/pages/audit')) },
          { path: 'audit/renewals', lazy: lazy('audit/renewals', () => import('@/pages/audit/renewals')) },
          { path: 'people', lazy: lazy('people', () => import('@/pages/people')) },
          { path: 'keys', lazy: lazy('keys', () => import('@/pages/keys')) },
          { path: 'confirmed', lazy: lazy('confirmed', () => import('@/pages/confirmed')) },
          { path: 'device', lazy: lazy('device', () => import('@/pages/device')) },
          { path: 'account', lazy: lazy('account', () => import('@/pages/account')) },
          { path: 'settings', lazy: lazy('settings', () => import('@/pages/settings')) },
          { path: '*', element: <NotFound /> },
        ],
      },
    ],
  },
])
