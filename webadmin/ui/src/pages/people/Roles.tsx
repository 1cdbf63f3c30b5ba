import { Facts } from '@/ui/Page'
import { roles } from './roles'

export function Roles() {
  return <Facts of={roles.map((r) => [r.label, r.about])} />
}
