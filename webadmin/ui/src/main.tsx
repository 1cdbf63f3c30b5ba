import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './app/app.css'
import { setNonce } from 'get-nonce'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { watchForPerson } from './api/attended'
import { App } from './app/App'
import { keepFocus } from './app/focus'
import { nonce } from './app/nonce'

watchForPerson()
keepFocus()
setNonce(nonce()) // of the scroll lock below dialogs

const root = document.getElementById('root')
if (root) {
  document.documentElement.setAttribute('data-started', '') // boot.js is no longer needed
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
