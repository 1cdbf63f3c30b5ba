import createClient, { type Middleware } from 'openapi-fetch'
import type { paths } from './schema'
import { attended } from './attended'
import { noteBuild } from './build'
import { noteTime } from './clock'
import { elapsed, look, pulse, whyNotNow } from './liveness'
import type { Problem } from './types'

export const base = '/api/admin'

/** An error that the API answered with, or the lack of an answer (status 0). */
export class APIError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'APIError'
    this.problem = problem
  }

  is(kind: string) {
    return this.problem.type === `urn:grpccontroller:problem:${kind}`
  }
}

export function isProblem(err: unknown, kind: string): err is APIError {
  return err instanceof APIError && err.is(kind)
}

let csrfToken = ''

/** The session's token, which every write carries: a foreign page does not know it. */
export function setCSRFToken(token: string) {
  csrfToken = token
}

/** Asks the person to prove again who they are; false when they will not. */
type StepUp = () => Promise<boolean>

let stepUp: StepUp = async () => false
let asking: Promise<boolean> | null = null

export function onStepUp(ask: StepUp) {
  stepUp = ask
}

/** Asks once, however many requests wait for the answer. */
function proven(): Promise<boolean> {
  asking ??= stepUp().finally(() => {
    asking = null
  })
  return asking
}

async function problemOf(response: Response): Promise<Problem> {
  const requestID = response.headers.get('X-Request-Id') ?? ''
  if (response.headers.get('Content-Type')?.startsWith('application/problem+json')) {
    return (await response.clone().json()) as Problem
  }
  return {
    type: 'about:blank',
    title: `Something between this browser and the controller answered in its place (status ${response.status}). Is a proxy misconfigured?`,
    status: response.status,
    request_id: requestID,
  }
}

function away(detail: string): APIError {
  return new APIError({ type: 'about:blank', title: 'No answer', status: 0, detail, request_id: '' })
}

const noAnswer = 'The controller did not answer. Is it running, and is this host still connected to it?'

/** Whether something could not be read because no answer came. */
export const isUnread = (err: unknown) =>
  err instanceof APIError && err.problem.status === 0 && err.problem.detail === noAnswer

/** Whether the same request may have a good answer later: there was none, or that of a fault. */
export const isPassing = (err: unknown) =>
  err instanceof APIError && (err.problem.status === 0 || err.problem.status === 429 || err.problem.status >= 500)

// The controller ends every request within 30 s; a network that lost it does not report that.
const patience = { read: 20_000, write: 40_000 } // ms

async function send(request: Request): Promise<Response> {
  const reads = request.method === 'GET'
  const reason = reads ? undefined : whyNotNow()
  if (reason) throw away(reason)
  const late = AbortSignal.timeout(reads ? patience.read : patience.write)
  try {
    const response = await fetch(request, { signal: AbortSignal.any([request.signal, late]) })
    // A proxy's page does not say that the controller is there.
    if (response.headers.has('X-Request-Id')) pulse.answered(elapsed.now())
    else pulse.failed(elapsed.now())
    noteBuild(response.headers.get('X-Dashboard-Build'))
    if (response.headers.has('X-Request-Id')) noteTime(response.headers.get('Date'))
    return response
  } catch (err) {
    if (request.signal.aborted) throw err
    pulse.failed(elapsed.now())
    throw away(reads ? noAnswer : `${noAnswer} It is not known whether the change was made: look before you repeat it.`)
  } finally {
    look()
  }
}

// A reply of step-up-required asks the person and then repeats the same request.
async function sendProving(request: Request): Promise<Response> {
  const again = request.clone()
  const response = await send(request)
  if (response.status !== 403) return response
  const problem = await problemOf(response)
  if (problem.type !== 'urn:grpccontroller:problem:step-up-required' || !(await proven())) return response
  if (csrfToken) again.headers.set('X-CSRF-Token', csrfToken)
  return send(again)
}

const headers: Middleware = {
  onRequest({ request }) {
    if (request.method === 'GET') {
      if (!attended()) request.headers.set('X-Passive', '1')
      return
    }
    if (csrfToken) request.headers.set('X-CSRF-Token', csrfToken)
    if (request.method === 'POST') request.headers.set('Idempotency-Key', crypto.randomUUID?.() ?? randomKey())
  },
}

// Without TLS and off loopback the browser has no randomUUID.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('')
}

const problems: Middleware = {
  async onResponse({ response }) {
    if (response.ok || response.status === 304) return
    throw new APIError(await problemOf(response))
  },
}

export const client = createClient<paths>({
  fetch: sendProving,
  headers: { Accept: 'application/json' },
})
client.use(headers, problems)

/** Unwraps a reply; one that is not good has been thrown. */
export async function data<T>(reply: Promise<{ data?: T }>): Promise<T> {
  return (await reply).data as T
}

/** Whether the controller serves the files of the dashboard now. */
export async function serves(): Promise<boolean> {
  try {
    return (await fetch('/favicon.svg', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    return false
  }
}
