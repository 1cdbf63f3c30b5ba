import { IconShieldCheck } from '@tabler/icons-react'
import { useEffect } from 'react'
import { tellConfirmed } from '@/api/confirmed'
import { Empty, PageHead } from '@/ui/Page'

/** Where the identity provider leads after a confirmation in a tab of its own. */
export function Page() {
  useEffect(tellConfirmed, [])
  return (
    <>
      <PageHead title="Confirmed" />
      <div className="surface">
        <Empty icon={IconShieldCheck} title="You have confirmed that it is you">
          Close this tab. The other one continues with what you wanted to do.
        </Empty>
      </div>
    </>
  )
}
