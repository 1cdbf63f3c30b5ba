// Serves the build with the controller's own policy, and a world as its API.
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answer, Fault } from './api'
import { ago, hex, type World } from './world'

const dist = fileURLToPath(new URL('../dist', import.meta.url))

const types: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

type Say = (status: number, type: string, body: string | Buffer, more?: Record<string, string>) => void

const sayer =
  (res: ServerResponse): Say =>
  (status, type, body, more = {}) =>
    res
      .writeHead(status, {
        'Content-Type': type,
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
        'X-Request-Id': hex(16),
        ...more,
      })
      .end(body)

async function file(path: string, say: Say) {
  const type = types[extname(path)]
  if (type) {
    const found = await readFile(join(dist, path)).catch(() => null)
    return found ? say(200, type, found, { 'Cache-Control': 'max-age=3600' }) : say(404, 'text/plain', 'gone')
  }
  const nonce = randomBytes(16).toString('base64url')
  const csp = `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`
  const index = await readFile(join(dist, 'index.html'), 'utf8')
  const build = createHash('sha256').update(index).digest('hex').slice(0, 16)
  const page = index.replaceAll('__BUILD__', build).replaceAll('__CSP_NONCE__', nonce)
  say(200, 'text/html; charset=utf-8', page, { 'Content-Security-Policy': csp })
}

async function api(w: World, req: IncomingMessage, url: URL, say: Say) {
  let raw = ''
  for await (const chunk of req) raw += chunk
  const path = url.pathname.slice('/api/admin'.length)
  await w.hold
  try {
    const reply = answer(w, req.method ?? '', path, url.searchParams, raw ? JSON.parse(raw) : {})
    if (reply === undefined) say(204, 'text/plain', '')
    else say(200, 'application/json', JSON.stringify(reply))
  } catch (err) {
    const p =
      err instanceof Fault
        ? err.problem
        : { type: 'about:blank', title: 'Internal', status: 500, detail: String(err), request_id: hex(16) }
    say(p.status, 'application/problem+json', JSON.stringify(p))
  }
}

/** Serves the world that current names for each request: many worlds have one server, and a browser its cache. */
export async function serve(current: (req: IncomingMessage) => World, port = 0) {
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://x')
    const w = current(req)
    const say = sayer(res)
    if (url.pathname === '/api/admin/events') {
      if (!w.signedIn || w.deaf) return say(401, 'application/problem+json', '{}')
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      const write = (text: string) => void (w.mute || res.write(text))
      const stream = { write, end: () => res.destroy() }
      res.flushHeaders()
      const ping = () => write(`event: ping\ndata: ${JSON.stringify({ at: ago(0) })}\n\n`)
      const timer = setInterval(ping, 5000)
      ping()
      const after = url.searchParams.get('after')
      const from = after === null ? w.sent.length : Number(after)
      if (from > w.sent.length) write(`event: reset\ndata: ${JSON.stringify({ at: ago(0) })}\n\n`)
      for (const text of w.sent.slice(from)) write(text)
      w.streams.add(stream)
      req.on('close', () => {
        clearInterval(timer)
        w.streams.delete(stream)
      })
      return
    }
    if (url.pathname.startsWith('/api/admin')) return void api(w, req, url, say)
    void file(url.pathname, say)
  })
  await new Promise<void>((ready) => server.listen(port, '127.0.0.1', ready))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
