import { IconLock } from '@tabler/icons-react'
import { useSession } from '@/app/session'
import { Empty } from './Page'

/** Stands in place of a form that the API would refuse, and says which role may use it. */
export function NotAllowed({ to, role }: { to: string; role: string }) {
  const mine = useSession()?.person.role
  return (
    <div className="surface">
      <Empty icon={IconLock} title={`You may not ${to}`}>
        Your role is {mine}. The role {role} may do this; ask an owner to change yours under People, or somebody who has
        it to do this for you.
      </Empty>
    </div>
  )
}
