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
type Act<R> = { post: Reply<R> }
type ActOne<R> = { post: Path<ID> & Reply<R> }

export interface ListQuery {
  page_size?: number
  page_token?: string
  sort?: string
  status?: string
  q?: string
}

export interface MemberQuery extends ListQuery {
  include?: 'revoked'
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
  '/api/admin/status': Get<t.Status>
  '/api/admin/series': Get<t.Series, { window: '1h' | '24h' }>
  '/api/admin/settings': Get<t.Settings>
  '/api/admin/connectors': Get<t.ConnectorList, MemberQuery>
  '/api/admin/connectors/{id}': GetOne<t.Connector> & DeleteOne
  '/api/admin/tunnelers': Get<t.TunnelerList, MemberQuery>
  '/api/admin/tunnelers/{id}': GetOne<t.Tunneler> & DeleteOne
  '/api/admin/hosts': Get<t.HostList, ListQuery>
  '/api/admin/hosts/{id}': GetOne<t.Host>
  '/api/admin/networks': Get<t.NetworkList, ListQuery>
  '/api/admin/tokens': Get<t.TokenList, ListQuery> & Post<t.TokenRequest, t.CreatedToken>
  '/api/admin/tokens/{id}': GetOne<t.Token> & DeleteOne
  '/api/admin/requests': Get<t.EnrollRequestList, ListQuery>
  '/api/admin/requests/{id}': GetOne<t.EnrollRequest>
  '/api/admin/requests/{id}/approve': PostOne<t.Approval, t.EnrollRequest>
  '/api/admin/requests/{id}/deny': ActOne<t.EnrollRequest>
  '/api/admin/claims/{code}': { post: Path<{ code: string }> & Body<None> & Reply<t.Claimed> }
  '/api/admin/ca': Get<t.CA>
  '/api/admin/ca/rotations': Post<t.RotationRequest, t.Rotation | t.RotationPreview>
  '/api/admin/ca/rotations/resume': Act<t.Rotation>
  '/api/admin/ca/rotations/abort': Act<t.Rotation>
  '/api/admin/audit': Get<t.AuditList, AuditQuery>
  '/api/admin/audit/verification': Get<t.AuditVerification>
  '/api/admin/setup': Get<t.Setup> &
    Post<{ code: string; name?: string; email?: string; password: string }, t.SessionInfo>
  '/api/admin/session': Get<t.SessionInfo> &
    Post<{ email: string; password: string; totp?: string }, t.SessionInfo> & {
      delete: Reply<void>
    }
  '/api/admin/session/step-up': Post<{ password?: string; totp?: string }, t.SessionInfo>
  '/api/admin/me/password': Post<{ current: string; password: string }, void>
  '/api/admin/me/totp': Act<t.TOTPEnrollment> & { delete: Reply<void> }
  '/api/admin/me/totp/confirm': Post<{ code: string }, t.RecoveryCodes>
  '/api/admin/me/sessions': Get<t.SessionList, ListQuery>
  '/api/admin/me/sessions/{id}': DeleteOne
  '/api/admin/people': Get<t.PersonList, ListQuery> & Post<t.PersonRequest, t.InvitedPerson>
  '/api/admin/people/{id}': {
    patch: Path<ID> & Body<Partial<t.PersonRequest> & { disabled?: boolean }> & Reply<t.Person>
  } & DeleteOne
  '/api/admin/people/{id}/reset': ActOne<t.InvitedPerson>
  '/api/admin/sessions': Get<t.SessionList, ListQuery>
  '/api/admin/sessions/{id}': DeleteOne
  '/api/admin/keys': Get<t.APIKeyList, ListQuery> & Post<t.KeyRequest, t.CreatedKey>
  '/api/admin/keys/{id}': DeleteOne
}
