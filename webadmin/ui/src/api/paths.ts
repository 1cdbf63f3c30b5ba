import type * as t from './types'

// The routes, in the form that openapi-typescript writes.

type Reply<R> = { responses: { 200: { content: { 'application/json': R } } } }
type Query<Q> = { parameters: { query?: Q } }
type Path<P> = { parameters: { path: P } }
type Body<B> = { requestBody: { content: { 'application/json': B } } }
type ID = { id: string }
type Get<R, Q = never> = { get: Query<Q> & Reply<R> }
type GetOne<R> = { get: Path<ID> & Reply<R> }
type Post<B, R> = { post: Body<B> & Reply<R> }
type PostOne<B, R> = { post: Path<ID> & Body<B> & Reply<R> }
type DeleteOne = { delete: Path<ID> & Reply<void> }
type None = Record<string, never>

export interface ListQuery {
  page_size?: number
  page_token?: string
  sort?: string
  status?: string
  q?: string
}

export interface MemberQuery extends ListQuery {
  include_revoked?: boolean
  connector_id?: string
}

export interface AuditQuery extends ListQuery {
  actor?: string
  action?: string
  target?: string
  outcome?: string
  since?: string
  until?: string
}

export interface paths {
  '/status': Get<t.Status>
  '/series': Get<t.Series, { window: '1h' | '24h' }>
  '/settings': Get<t.Settings>
  '/connectors': Get<t.ConnectorList, MemberQuery>
  '/connectors/{id}': GetOne<t.Connector> & DeleteOne
  '/tunnelers': Get<t.TunnelerList, MemberQuery>
  '/tunnelers/{id}': GetOne<t.Tunneler> & DeleteOne
  '/hosts': Get<t.HostList, ListQuery>
  '/hosts/{id}': GetOne<t.Host>
  '/networks': Get<t.NetworkList, ListQuery>
  '/tokens': Get<t.TokenList, ListQuery> & Post<t.TokenRequest, t.CreatedToken>
  '/tokens/{id}': GetOne<t.Token> & DeleteOne
  '/requests': Get<t.EnrollRequestList, ListQuery>
  '/requests/{id}': GetOne<t.EnrollRequest>
  '/requests/{id}/approve': PostOne<t.Approval, t.EnrollRequest>
  '/requests/{id}/deny': PostOne<None, t.EnrollRequest>
  '/claims/{code}': { post: Path<{ code: string }> & Body<None> & Reply<t.Claimed> }
  '/ca': Get<t.CA>
  '/ca/rotations': Post<t.RotationRequest, t.Rotation | t.RotationPreview>
  '/ca/rotations/resume': Post<None, t.Rotation>
  '/ca/rotations/abort': Post<None, t.Rotation>
  '/audit': Get<t.AuditList, AuditQuery>
  '/audit/verification': Get<t.AuditVerification>
  '/setup': Get<t.Setup> & Post<{ code: string; name: string; email: string; password: string }, t.SessionInfo>
  '/session': Get<t.SessionInfo> &
    Post<{ email: string; password: string; totp?: string }, t.SessionInfo> & {
      delete: Reply<void>
    }
  '/session/step-up': Post<{ password?: string; totp?: string }, t.SessionInfo>
  '/me/password': Post<{ current_password: string; new_password: string }, void>
  '/me/totp': Post<None, t.TOTPEnrollment> & { delete: Reply<void> }
  '/me/totp/confirm': Post<{ code: string }, void>
  '/me/sessions': Get<t.SessionList, ListQuery>
  '/me/sessions/{id}': DeleteOne
  '/people': Get<t.PersonList, ListQuery> & Post<t.PersonRequest, t.SetupLink>
  '/people/{id}': {
    patch: Path<ID> & Body<Partial<t.PersonRequest> & { disabled?: boolean }> & Reply<t.Person>
  } & DeleteOne
  '/people/{id}/reset': PostOne<None, t.SetupLink>
  '/sessions': Get<t.SessionList, ListQuery>
  '/sessions/{id}': DeleteOne
  '/keys': Get<t.APIKeyList, ListQuery> & Post<t.KeyRequest, t.CreatedKey>
  '/keys/{id}': DeleteOne
}
