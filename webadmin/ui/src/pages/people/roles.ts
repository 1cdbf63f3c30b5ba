import type { RoleName } from '@/api/types'

/** From least to most; each may do all that the ones before it may. */
export const roles: { value: RoleName; label: string; about: string }[] = [
  { value: 'auditor', label: 'Auditor', about: 'sees the fleet, the audit log and the settings' },
  { value: 'operator', label: 'Operator', about: 'also creates tokens, approves hosts and revokes members' },
  { value: 'admin', label: 'Admin', about: 'also rotates the CA and manages API keys' },
  { value: 'owner', label: 'Owner', about: 'also manages people' },
]
