import type { AuditVerification } from '@/api/types'

/** How much of the log the last check covers; newer records are not verified yet. */
export function verified({ records, checkpoint }: Pick<AuditVerification, 'records' | 'checkpoint'>): string {
  const all = Math.max(records, checkpoint.size)
  if (!records && all) return `None of ${all.toLocaleString()} records is verified yet`
  return `Verified ${records.toLocaleString()} of ${all.toLocaleString()} records: unchanged`
}
