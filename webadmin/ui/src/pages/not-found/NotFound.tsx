import { Button } from '@mantine/core'
import { IconMapOff } from '@tabler/icons-react'
import { Link, useLocation } from 'react-router'
import { Empty, PageHead } from '@/ui/Page'

export function NotFound() {
  const { pathname } = useLocation()
  return (
    <>
      <PageHead title="There is no such page" />
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
          Nothing is at <code className="wrap">{pathname}</code>. The link may be old, or what it named has another id.
        </Empty>
      </div>
    </>
  )
}
