// The JSON of the admin API, in the names of internal/adminapi. A time that has
// not come to pass is absent.

export type Kind = 'connector' | 'tunneler'

export type Permission =
  | 'fleet:read'
  | 'tokens:write'
  | 'requests:decide'
  | 'members:revoke'
  | 'ca:rotate'
  | 'audit:read'
  | 'people:manage'
  | 'keys:manage'
  | 'settings:read'
  | 'self'

export type RoleName = 'auditor' | 'operator' | 'admin' | 'owner'

export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  request_id: string
  field?: string
  token_id?: string
}

export interface Count {
  total: number
  online: number
  offline: number
}

export interface Status {
  trust_domain: string
  version: string
  time: string
  connectors: Count
  tunnelers: Count
}

export interface Sighting {
  address: string
  instance_id: string
  boot_id: string
  at: string
}

export interface Clone {
  signal: 'instances' | 'agent'
  member: string
  sightings: Sighting[]
}

export interface SVID {
  serial: string
  authority_id: string
  not_after?: string
}

export interface Member {
  id: string
  status: 'ONLINE' | 'OFFLINE'
  last_seen?: string
  version: string
  spiffe_id: string
  host_id: string
  enrolled_at: string
  revoked_at?: string
  contested: boolean
  cloned?: boolean
  clone?: Clone
  svid: SVID
  remote_address: string
}

export interface Connector extends Member {
  private_ip: string
  addresses: string[]
  stream_since?: string
  policy_revision: number
  network?: string
}

export interface Tunneler extends Member {
  connector_id: string
  reported_by?: string
  session_since?: string
}

export interface Page {
  next_page_token: string
  total?: number
}

export interface ConnectorList extends Page {
  connectors: Connector[]
}

export interface TunnelerList extends Page {
  tunnelers: Tunneler[]
}

export interface HostMember {
  kind: Kind
  id: string
  status: 'ONLINE' | 'OFFLINE'
  revoked_at?: string
}

export interface Host {
  id: string
  hostname: string
  agent_id?: string
  status: 'ONLINE' | 'OFFLINE'
  last_seen?: string
  ephemeral: boolean
  enrolled_at: string
  revoked_at?: string
  contested_at?: string
  members: HostMember[]
}

export interface HostList extends Page {
  hosts: Host[]
}

export interface Network {
  id: string
  name: string
  created_at?: string
  connectors: Count
}

export interface NetworkList extends Page {
  networks: Network[]
}

export interface SeriesPoint {
  at: string
  connectors_online: number
  connectors_total: number
  tunnelers_online: number
  tunnelers_total: number
  heartbeats: number
  svid_rotations: number
}

export interface Series {
  step_seconds: number
  points: SeriesPoint[]
}

export type Delivery = 'plain' | 'sealed' | 'claim'

export interface TokenRequest {
  kind: Kind
  id: string
  ttl?: string
  replace?: boolean
  source_cidr?: string
  delivery?: Delivery
  recipient?: string
}

export interface CreatedToken {
  token_id: string
  token?: string
  sealed?: string
  claim_url?: string
  kind: Kind
  id: string
  expires_at: string
  install_command: string
}

export type TokenState = 'pending' | 'redeemed' | 'expired' | 'revoked'

export interface Token {
  token_id: string
  kind: Kind
  id: string
  state: TokenState
  replace: boolean
  source_cidr?: string
  delivery?: Delivery
  claimed_at?: string
  claimed_from?: string
  created_by: string
  created_at: string
  expires_at: string
  redeemed_at?: string
  revoked_at?: string
  host_id?: string
}

export interface TokenList extends Page {
  tokens: Token[]
}

export interface EnrollRequest {
  id: string
  kind: Kind
  member_id: string
  code: string
  fingerprint: string
  state: 'pending' | 'approved' | 'denied' | 'expired' | 'redeemed'
  hostname?: string
  remote_address: string
  created_at: string
  expires_at: string
  decided_by?: string
  decided_at?: string
}

export interface EnrollRequestList extends Page {
  requests: EnrollRequest[]
}

export interface Approval {
  id?: string
  replace?: boolean
  fingerprint: string
}

export interface Claimed {
  token: string
  kind: Kind
  id: string
  expires_at: string
  install_command: string
}

export interface Authority {
  id: string
  state: string
  trusted: boolean
  tainted: boolean
  expires_at: string
}

export interface Holdout {
  name: string
  why: string
}

export interface Gate {
  total: number
  through: number
  held_up_by: Holdout[]
  deadline?: string
}

export interface Rotation {
  id: string
  state: 'running' | 'paused' | 'done' | 'aborted' | 'overtaken'
  phase: string
  replaces: string[]
  emergency: boolean
  offline: string
  deadline?: string
  on_deadline: string
  started_by: string
  started_at: string
  ended_at?: string
  reason?: string
  dropped: string[]
  phases: { phase: string; authority?: string; at: string; seconds: number }[]
  gate?: Gate
}

export interface OutageBudget {
  policy_age: string
  identity: { kind: string; least: string; most: string }[]
}

export interface CA {
  authorities: Authority[]
  upstream?: string
  rotation?: Rotation
  automatic?: { phase: string; authority: string; gate: Gate }
  outage_budget: OutageBudget
}

export interface RotationRequest {
  dry_run?: boolean
  emergency?: boolean
  deadline?: string
  on_deadline?: string
  offline?: string
}

export interface RotationPreview {
  dry_run: boolean
  replaces: string[]
  reuses?: string
  steps: string[]
  gate: Gate
}

export interface AuditEvent {
  /** Absent until the event has a place in the log, which is at most a second. */
  index?: number
  time: string
  actor: string
  action: string
  target: string
  outcome: string
  reason?: string
  request_id?: string
  source?: string
  before?: unknown
  after?: unknown
}

export interface AuditList extends Page {
  events: AuditEvent[]
}

export interface AuditVerification {
  state: 'pending' | 'ok' | 'bad' | 'failed'
  checked_at?: string
  seconds: number
  records: number
  running: boolean
  problem?: { kind: string; index: number; time?: string; action?: string; detail: string }
  checkpoint: { size: number; time?: string; note: string; verifier_key: string }
  witnesses: { connector_id: string; size: number; at: string; failure?: string }[]
}

export interface Person {
  id: string
  email: string
  name: string
  role: RoleName
  oidc: boolean
  totp: boolean
  invited: boolean
  disabled: boolean
  created_at: string
  last_sign_in_at?: string
}

export interface PersonList extends Page {
  people: Person[]
}

export interface PersonRequest {
  email: string
  name: string
  role: RoleName
}

export interface InvitedPerson {
  person: Person
  setup_url: string
  expires_at: string
}

export interface SessionInfo {
  session_id: string
  person: {
    id: string
    email: string
    name: string
    role: RoleName
    totp: boolean
    oidc: boolean
    recovery_codes_left?: number
  }
  permissions: Permission[]
  csrf_token: string
  expires_at: string
  idle_expires_at: string
  step_up_until?: string
}

export interface SessionRecord {
  id: string
  person_id: string
  person_email: string
  method: string
  source: string
  user_agent: string
  current: boolean
  created_at: string
  last_seen_at: string
  expires_at: string
}

export interface SessionList extends Page {
  sessions: SessionRecord[]
}

export interface Setup {
  needed: boolean
  oidc: { enabled: boolean; name: string }
}

export interface APIKey {
  id: string
  name: string
  scopes: Permission[]
  state: 'active' | 'expired' | 'revoked'
  created_by: string
  created_at: string
  expires_at?: string
  last_used_at?: string
  revoked_at?: string
}

export interface APIKeyList extends Page {
  keys: APIKey[]
}

export interface KeyRequest {
  name: string
  scopes: Permission[]
  ttl?: string
}

export interface CreatedKey {
  key: APIKey
  secret: string
}

export interface TOTPEnrollment {
  secret: string
  uri: string
}

export interface RecoveryCodes {
  recovery_codes: string[]
}

export interface Settings {
  trust_domain: string
  controller_id: string
  version: string
  started_at: string
  outage_budget: OutageBudget
  groups: { name: string; settings: { key: string; value: string }[] }[]
}
