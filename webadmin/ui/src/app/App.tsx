import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { useLayoutEffect, useState } from 'react'
import { RouterProvider } from 'react-router'
import { session } from '@/api/queries'
import { newQueryClient } from '@/api/queryclient'
import { nonce } from './nonce'
import { router } from './router'
import { StepUpDialog } from './StepUpDialog'
import { theme } from './theme'

export function App() {
  const [queries] = useState(() => {
    const q = newQueryClient()
    void q.prefetchQuery(session) // while the page's own chunk is on its way
    return q
  })
  // The picture of index.html stays until there is another one.
  useLayoutEffect(() => document.getElementById('boot')?.remove(), [])
  return (
    <QueryClientProvider client={queries}>
      <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={nonce}>
        <Notifications position="bottom-right" limit={4} />
        <RouterProvider router={router} />
        <StepUpDialog />
      </MantineProvider>
    </QueryClientProvider>
  )
}
