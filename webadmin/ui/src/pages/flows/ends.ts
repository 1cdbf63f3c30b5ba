import type { FlowRecord } from '@/api/types'
import type { Tone } from '@/ui/Status'

const words: Record<string, string> = {
  ok: 'ended by itself',
  refused: 'refused',
  name: 'name not found',
  connection_refused: 'nothing listens there',
  timeout: 'the target does not answer',
  unreachable: 'no route to the target',
  internal: 'fault of the connector',
  stopping: 'the connector stopped',
  busy: 'too many flows',
  aborted: 'ended by one side',
  protocol: 'cut: not the protocol',
  unbound: 'the session was gone',
  expired: 'identity expired',
  quiet: 'idle for too long',
  revoked: 'access was withdrawn',
}

/** Why a flow ended, in words; a code of a later version as it is. */
export const endOf = (code: string) => words[code] ?? code

/** Whether that is how it should be: a refusal and a withdrawal are, and so is an end of either side. */
export function toneOf(f: Pick<FlowRecord, 'code' | 'connected'>): Tone {
  if (f.code === 'ok' || f.code === 'aborted') return 'good'
  if (f.code === 'refused' || f.code === 'revoked') return 'bad'
  return f.connected ? 'quiet' : 'warn'
}
