import type { Permission } from '@/api/types'

export interface Place {
  to: string
  label: string
  needs: Permission
}

/** The pages of the navigation. */
export const groups = [
  {
    label: 'Fleet',
    items: [
      { to: '/', label: 'Overview', needs: 'fleet:read' },
      { to: '/connectors', label: 'Connectors', needs: 'fleet:read' },
      { to: '/tunnelers', label: 'Tunnelers', needs: 'fleet:read' },
      { to: '/hosts', label: 'Hosts', needs: 'fleet:read' },
      { to: '/networks', label: 'Networks', needs: 'fleet:read' },
    ],
  },
  {
    label: 'Access',
    items: [
      { to: '/resources', label: 'Resources', needs: 'fleet:read' },
      { to: '/grants', label: 'Grants', needs: 'fleet:read' },
      { to: '/reach', label: 'Who reaches what', needs: 'fleet:read' },
      { to: '/explain', label: 'Explain', needs: 'fleet:read' },
      { to: '/policy-tests', label: 'Policy tests', needs: 'fleet:read' },
      { to: '/flows', label: 'Flows', needs: 'audit:read' },
    ],
  },
  {
    label: 'Enrollment',
    items: [
      { to: '/requests', label: 'Approvals', needs: 'fleet:read' },
      { to: '/tokens', label: 'Tokens', needs: 'fleet:read' },
    ],
  },
  {
    label: 'Trust',
    items: [
      { to: '/ca', label: 'Certificate authority', needs: 'fleet:read' },
      { to: '/audit', label: 'Audit', needs: 'audit:read' },
    ],
  },
  {
    label: 'Administration',
    items: [
      { to: '/people', label: 'People', needs: 'people:manage' },
      { to: '/keys', label: 'API keys', needs: 'keys:manage' },
      { to: '/settings', label: 'Settings', needs: 'settings:read' },
    ],
  },
] as const satisfies { label: string; items: Place[] }[]

export type Path = (typeof groups)[number]['items'][number]['to']

/** All of them, in their order. */
export const places: Place[] = groups.flatMap((g) => [...g.items])
