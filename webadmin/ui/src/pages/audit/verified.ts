import type { AuditVerification } from '@/api/types'

/** How much of the log the last check covers: what was recorded since is not verified yet. */
export function verified({ records, checkpoint }: Pick<AuditVerification, 'records' | 'checkpoint'>): string {
  const all = Math.max(records, checkpoint.size)
  return `Verified ${records.toLocaleString()} of ${all.toLocaleString()} records: unchanged`
}
