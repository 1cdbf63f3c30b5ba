import type { components } from './schema'

// Names of the admin API's shapes, which are written in schema.ts (make ui-types)
// from webadmin/api/openapi.json, and the words that it leaves as strings.

type S = components['schemas']

export type Problem = S['Problem']
export type Count = S['Count']
export type Status = S['Status']
export type AttentionItem = S['Attention']
export type Series = S['Series']
export type SeriesPoint = S['Point']
export type Settings = S['Settings']

export type Connector = S['Connector']
export type ConnectorList = S['ConnectorList']
export type Tunneler = S['Tunneler']
export type TunnelerList = S['TunnelerList']
export type TunnelerSession = S['TunnelerSession']
export type Member = Connector | Tunneler
export type Kind = S['Token']['kind']
/** What operators say of a member or host. */
export type About = Pick<Connector, 'name' | 'labels' | 'notes' | 'revision'>
export type AboutChange = S['Change']
export type BulkRevocation = S['BulkRevocation']
export type BulkRevoked = S['BulkRevoked']
export type Clone = S['Clone']
export type Sighting = S['Sighting']
export type SVID = S['SVID']
export type Host = S['Host']
export type HostMember = S['HostMember']
export type Network = S['Network']
export type NetworkRequest = S['NetworkRequest']
export type NetworkChange = S['NetworkChange']

export type Resource = S['Resource']
export type ResourceRequest = S['ResourceRequest']
export type ResourceChange = S['ResourceChange']
export type Grant = S['Grant']
export type GrantRequest = S['GrantRequest']
export type GrantChange = S['GrantChange']
export type PolicyTest = S['PolicyTest']
export type PolicyTestRequest = S['PolicyTestRequest']
export type BrokenPolicyTest = S['BrokenPolicyTest']
export type Explanation = S['Explanation']

export type FlowRecord = S['FlowRecord']

export type Token = S['Token']
export type TokenState = Token['status']
export type TokenRequest = S['TokenRequest']
export type Delivery = 'plain' | 'sealed' | 'claim'
export type CreatedToken = S['CreatedToken']
export type InstallCommand = S['InstallCommand']
export type EnrollRequest = S['Request']
export type Enrollment = S['Enrollment']
export type Approval = S['Approval']

export type CA = S['CA']
export type Authority = S['Authority']
export type Gate = S['Gate']
export type Holdout = S['Holdout']
export type Rotation = S['Rotation']
export type RotationRequest = S['RotationRequest']
export type RotationPreview = S['RotationPreview']
export type BootstrapCA = S['BootstrapCA']
export type BootstrapReplacement = S['BootstrapReplacement']
export type BootstrapRequest = S['BootstrapRequest']
export type BootstrapPreview = S['BootstrapPreview']

export type AuditEvent = S['AuditEvent']
export type SVIDRenewal = S['SVIDRenewal']
export type AuditVerification = S['AuditVerification']

export type Person = S['Person']
export type PersonRequest = S['PersonRequest']
export type PersonChange = S['PersonChange']
export type InvitedPerson = S['InvitedPerson']
export type SessionInfo = S['CurrentSession']
export type SessionRecord = S['Session']
export type APIKey = S['Key']
export type WaitingDevice = S['WaitingDevice']
export type KeyRequest = S['KeyRequest']
export type CreatedKey = S['CreatedKey']

export type RoleName = 'auditor' | 'operator' | 'admin' | 'owner'
export type Permission =
  | 'fleet:read'
  | 'fleet:write'
  | 'tokens:write'
  | 'requests:decide'
  | 'members:revoke'
  | 'attention:dismiss'
  | 'ca:rotate'
  | 'audit:read'
  | 'people:manage'
  | 'keys:manage'
  | 'settings:read'
  | 'self'
