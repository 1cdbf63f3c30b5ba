import { test } from 'node:test'

/** With ACTS, a regular expression, only acts of such a name are played, and the first one. */
const chosen = (act, i) => i === 0 || new RegExp(process.env.ACTS ?? '').test(act)

/** Plays acts in turn, and reports each. After one that failed the others mean nothing, unless KEEP_GOING is set. */
export const perform = (name, acts, fault) =>
  test(name, async (t) => {
    let going = true
    for (const [act, play] of Object.entries(acts).filter(([act], i) => chosen(act, i))) {
      if (!going && !process.env.KEEP_GOING) break
      await t.test(act, async () => {
        going = false
        try {
          await play()
          going = true
        } finally {
          if (!going && process.env.FAULT) await fault(`${process.env.FAULT}-${act.replaceAll(' ', '-')}`)
        }
      })
    }
  })
