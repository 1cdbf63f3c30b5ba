import { Button } from '@mantine/core'
import { IconShieldCheck, IconShieldQuestion } from '@tabler/icons-react'
import { useEffect } from 'react'
import { Link } from 'react-router'
import { notifyConfirmed } from '@/api/confirmed'
import { useSession } from '@/app/session'
import { Empty, PageHead } from '@/ui/Page'
import { usePassed } from '@/ui/time'

/** Where the identity provider leads after a confirmation in a tab of its own. */
export function Page() {
  const until = useSession()?.step_up_until
  const over = usePassed(until)
  if (!until || over) return <Nothing />
  return <Confirmed />
}

function Confirmed() {
  useEffect(notifyConfirmed, [])
  return (
    <>
      <PageHead title="Confirmed" />
      <div className="surface">
        <Empty icon={IconShieldCheck} title="You have confirmed that it is you">
          The tab that asked for it continues by itself. You can close this one.
        </Empty>
      </div>
    </>
  )
}

/** Somebody opened the address by hand, or long after the confirmation. */
function Nothing() {
  return (
    <>
      <PageHead title="Nothing to confirm" />
      <div className="surface">
        <Empty
          icon={IconShieldQuestion}
          title="No confirmation is valid now"
          action={
            <Button component={Link} to="/">
              Go to the overview
            </Button>
          }
        >
          Your identity provider opens this page after you have confirmed that it is you, which is valid for 5 minutes.
          Start again with what you wanted to do.
        </Empty>
      </div>
    </>
  )
}
