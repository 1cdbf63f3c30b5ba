import { client, data } from '@/api/client'
import type { Permission } from '@/api/types'
import { mustOf } from '@/ui/policytests'
import { places } from './places'

// What "/" finds, wherever it is.

export interface Hit {
  key: string
  kind: string
  name: string
  /** What else distinguishes it from others. */
  about?: string
  to: string
}

const each = 5

type May = (permission: Permission) => boolean

/** Pages whose name has the text. */
export function findPages(text: string, may: May): Hit[] {
  const t = text.toLowerCase()
  return places
    .filter((p) => may(p.needs) && p.label.toLowerCase().includes(t))
    .map((p) => ({ key: `page ${p.to}`, kind: 'Page', name: p.label, to: p.to }))
}

const has = (text: string, ...fields: (string | undefined)[]) =>
  fields.some((f) => f?.toLowerCase().includes(text.toLowerCase()))

const at = (path: string, id: string) => `${path}/${encodeURIComponent(id)}`

/** Everything of the fleet that has the text, a few of each kind. A kind that may not be seen, or fails, finds nothing. */
export async function findAll(text: string, may: May): Promise<Hit[]> {
  const query = { q: text, page_size: each }
  const seek = async (needs: Permission, look: () => Promise<Hit[]>) => (may(needs) ? look() : [])
  const found = await Promise.all([
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/connectors', { params: { query } }))).connectors.map((c) => ({
        key: `connector ${c.host_id} ${c.id}`,
        kind: 'Connector',
        name: c.id,
        about: c.revoked_at ? 'REVOKED' : c.status,
        to: at('/connectors', c.id),
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/tunnelers', { params: { query } }))).tunnelers.map((t) => ({
        key: `tunneler ${t.host_id} ${t.id}`,
        kind: 'Tunneler',
        name: t.id,
        about: t.revoked_at ? 'REVOKED' : t.status,
        to: at('/tunnelers', t.id),
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/hosts', { params: { query } }))).hosts.map((h) => ({
        key: `host ${h.id}`,
        kind: 'Host',
        name: h.hostname || h.id,
        about: h.id,
        to: at('/hosts', h.id),
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/networks', { params: { query: { page_size: 500 } } }))).networks
        .filter((n) => has(text, n.id, n.name))
        .slice(0, each)
        .map((n) => ({
          key: `network ${n.id}`,
          kind: 'Network',
          name: n.name || n.id,
          about: n.id,
          to: `/networks?q=${encodeURIComponent(n.id)}`,
        })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/resources', { params: { query } }))).resources.map((r) => ({
        key: `resource ${r.id}`,
        kind: 'Resource',
        name: r.name,
        about: `${r.id}: ${r.hosts.join(', ')}`,
        to: at('/resources', r.id),
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/grants', { params: { query } }))).grants.map((g) => ({
        key: `grant ${g.id}`,
        kind: 'Grant',
        name: g.id,
        about: `${g.subject} reaches ${g.object}`,
        to: `/grants?q=${encodeURIComponent(g.id)}`,
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/policy-tests', { params: { query } }))).policy_tests.map((t) => ({
        key: `policy-test ${t.id}`,
        kind: 'Policy test',
        name: t.id,
        about: `${t.subject} ${mustOf(t)} ${t.target}`,
        to: `/policy-tests?q=${encodeURIComponent(t.id)}`,
      })),
    ),
    seek('fleet:read', async () =>
      (await data(client.GET('/api/admin/tokens', { params: { query } }))).tokens.map((t) => ({
        key: `token ${t.token_id}`,
        kind: 'Token',
        name: t.token_id,
        about: `${t.kind} ${t.id}, ${t.status}`,
        to: at('/tokens', t.token_id),
      })),
    ),
    seek('people:manage', async () =>
      (await data(client.GET('/api/admin/people', { params: { query: { page_size: 500 } } }))).people
        .filter((p) => has(text, p.name, p.email))
        .slice(0, each)
        .map((p) => ({
          key: `person ${p.id}`,
          kind: 'Person',
          name: p.name || p.email,
          about: p.email,
          to: '/people',
        })),
    ),
    seek('keys:manage', async () =>
      (await data(client.GET('/api/admin/keys', { params: { query: { page_size: 500 } } }))).keys
        .filter((k) => has(text, k.name, k.id))
        .slice(0, each)
        .map((k) => ({ key: `key ${k.id}`, kind: 'API key', name: k.name || k.id, about: k.id, to: '/keys' })),
    ),
  ])
  return found.flat()
}
