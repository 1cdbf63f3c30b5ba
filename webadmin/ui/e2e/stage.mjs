// The world behind the controller: internal/e2e/dashboard/stage_test.go.

export const dashboard = process.env.DASHBOARD
export const issuer = process.env.ISSUER

async function cue(path, body = {}) {
  const reply = await fetch(process.env.STAGE + path, { method: 'POST', body: JSON.stringify(body) })
  const text = await reply.text()
  if (!reply.ok) throw new Error(`stage ${path}: ${text}`)
  return JSON.parse(text)
}

/** The one-time link that the controller printed at its first start. */
export const setupLink = () => cue('/setup-link')

/** Runs the enroll command on a new host with this token, then its programs. */
export const enroll = (kind, id, token) => cue('/enroll', { kind, id, token })

/** Makes the SSH key of a new host; resolves with its public key. */
export const hostKey = (kind, id) => cue('/host-key', { kind, id })

/** Opens a sealed token on the host that has the key, enrolls it, and runs its programs. */
export const enrollSealed = (id, token) => cue('/enroll-sealed', { id, token })

/** Runs enroll --request on a new host; resolves with the code and the fingerprint that its screen shows. */
export const request = (kind, id) => cue('/request', { kind, id })

/** Resolves when a host that asked has its certificate; its programs run then. */
export const requested = (id) => cue('/requested', { id })

/** Resolves when the API says ONLINE, with the time at which it first did. */
export const online = (id) => cue('/online', { id })

/** Ends the programs of a host. */
export const stop = (id) => cue('/stop', { id })

/** The controller hangs until thaw: it keeps its connections and sends nothing. */
export const freeze = () => cue('/freeze')
export const thaw = () => cue('/thaw')

/** Kills the controller; restart brings it back, and resolves when it is ready. */
export const kill = () => cue('/kill')
export const restart = () => cue('/restart')

/** Ends the controller; upgrade starts one with another build of the dashboard, and the next upgrade leads back. */
export const end = () => cue('/end')
export const upgrade = () => cue('/upgrade')

/** Makes every re-authentication an old one. */
export const fiveMinutesPass = () => cue('/five-minutes-pass')

/** Makes every re-authentication a fresh one. */
export const confirmed = () => cue('/confirmed')

/** What was typed or shown, and no log may hold. */
export const secret = (What, Secret) => cue('/secret', { What, Secret })
