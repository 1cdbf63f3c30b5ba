import { notifications } from '@mantine/notifications'
import { APIError } from '@/api/client'
import { wordsOf } from '@/api/words'
import { unmarked } from './prose'

/** Short messages in the corner. */
export const say = {
  done(message: string) {
    notifications.show({ message, color: 'petrol', autoClose: 5000, closeButtonProps: { 'aria-label': 'Dismiss' } })
  },
  failure(err: unknown) {
    const p = err instanceof APIError ? err.problem : null
    const { title, detail } = wordsOf(err)
    notifications.show({
      title,
      message: unmarked(p?.request_id ? `${detail} (request ${p.request_id})` : detail),
      color: 'red',
      autoClose: 12_000,
      closeButtonProps: { 'aria-label': 'Dismiss' },
    })
  },
}
