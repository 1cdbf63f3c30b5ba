import { useQuery } from '@tanstack/react-query'
import { session } from '@/api/queries'
import type { Permission } from '@/api/types'

/** Who is signed in; only below Guard, which waits for it. */
export function useSession() {
  return useQuery(session).data ?? null
}

/** Whether the one who is signed in has a permission. The API decides; this only hides what it would refuse. */
export function useCan(permission: Permission): boolean {
  return useSession()?.permissions.includes(permission) ?? false
}
