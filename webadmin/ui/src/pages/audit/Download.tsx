import { Button } from '@mantine/core'
import { IconDownload } from '@tabler/icons-react'
import { exportURL } from './exporturl'

/** Downloads all that a filter matches, not only the page that is shown. */
export function Download({ path, query }: { path: string; query: Record<string, string | number | undefined> }) {
  return (
    <Button
      component="a"
      href={exportURL(path, query)}
      download
      variant="default"
      leftSection={<IconDownload size={16} />}
    >
      Download
    </Button>
  )
}
