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
          title="No page has this address"
          action={
            <Button component={Link} to="/">
              Go to the overview
            </Button>
          }
        >
          Was <code className="wrap">{pathname}</code> copied whole?
        </Empty>
      </div>
    </>
  )
}
