import { useQuery } from '@tanstack/react-query'
import { member } from '@/api/members'
import { token } from '@/api/queries'
import type { Kind } from '@/api/types'
import { stageOf } from './enrollment'

/** Follows an enrollment: its token, and then the member that it makes. */
export function useEnrollment(tokenID: string, kind: Kind, id: string) {
  const t = useQuery(token(tokenID))
  const m = useQuery({ ...member(kind, id), enabled: t.data?.status === 'redeemed' })
  return { token: t.data, stage: stageOf(t.data, m.data), read: t }
}

export type Enrollment = ReturnType<typeof useEnrollment>
