import { Button } from '@mantine/core'
import { IconMapOff } from '@tabler/icons-react'
import { Link, useLocation } from 'react-router'
import { Empty, PageHead } from '@/ui/Page'

export function NotFound() {
  const { pathname } = useLocation()
  return (
    <>
      <PageHead title="Page not found" />
      <div className="surface">
        <Empty
          icon={IconMapOff}
          title="404"
          action={
            <Button component={Link} to="/">
              Go to the overview
            </Button>
          }
        >
          There is no page at <code className="wrap">{pathname}</code>. Check the address.
        </Empty>
      </div>
    </>
  )
}
