import { IconLock } from '@tabler/icons-react'
import { useSession } from '@/app/session'
import { Empty } from './Page'

/** Stands where a form would be that the API refuses: what it takes, and who has it. */
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
