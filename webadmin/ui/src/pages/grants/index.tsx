import { Button } from '@mantine/core'
import { IconLicense, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { grants, type GrantQuery } from '@/api/access'
import { useCan } from '@/app/session'
import { Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { useNow } from '@/ui/time'
import { CreateGrant } from './Form'
import { grantColumns } from './Parts'
import { hasEnded } from './reference'

export function Page() {
  const list = useList()
  const [subject, object] = [list.get('subject').trim(), list.get('object').trim()]
  const { page_size, page_token, sort, q } = list.query
  const query = { page_size, page_token, sort, q, subject: subject || undefined, object: object || undefined }
  const page = useQuery(grants(query as GrantQuery))
  const may = useCan('fleet:write')
  const columns = useMemo(() => grantColumns(may), [may])
  const now = useNow()
  const [creating, setCreating] = useState(false)
  const filtered = !!(list.filtered || subject || object)
  const create = may && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      Create grant
    </Button>
  )
  return (
    <>
      <PageHead
        title="Grants"
        about="Each lets a tunneler, or all tunnelers with a label, reach a resource. What no grant allows is refused."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search grants" />
          <Typed list={list} label="Who, such as label/team=dev" name="subject" wide />
          <Typed list={list} label="What, such as resource/db" name="object" wide />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Grants"
          columns={columns}
          rows={page.data?.grants}
          rowKey={(g) => g.id}
          faded={(g) => hasEnded(g, now)}
          empty={
            <Empty
              icon={IconLicense}
              title={filtered ? 'No grant matches' : 'No grant yet'}
              action={!filtered && create}
            >
              {filtered
                ? 'Change the search or remove the filters.'
                : 'Nobody reaches anything. A grant lets a tunneler reach a resource.'}
            </Empty>
          }
        />
      </div>
      {creating && <CreateGrant close={() => setCreating(false)} />}
    </>
  )
}
