// The pages that the dashboard has: its own table of routes, evaluated. A new page is tested unasked.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import ts from 'typescript'

const file = new URL('../src/app/router.tsx', import.meta.url)

/** Stands for whatever the table imports: each name is its own value. */
const names = new Proxy({}, { get: (_, name) => name })

const stubs = {
  'react-router': { createBrowserRouter: (table) => table },
  'react/jsx-runtime': { jsx: (type) => type },
  './code': { code: async (what) => ({ Page: what }) },
}

function table() {
  const { outputText } = ts.transpileModule(readFileSync(file, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, jsx: ts.JsxEmit.ReactJSX },
  })
  const module = {}
  new Function('exports', 'require', outputText)(module, (name) => stubs[name] ?? names)
  return module.router
}

/** The name by which the code of a route is loaded; absent if it is there from the beginning. */
async function codeOf(route) {
  if (!route.lazy) return undefined
  const { Component } = await route.lazy()
  return typeof Component === 'function' ? Component() : Component
}

async function flat(list, signedIn = false) {
  const out = []
  for (const route of list) {
    const inside = signedIn || route.element === 'Guard'
    if (route.children) out.push(...(await flat(route.children, inside)))
    else out.push({ path: `/${(route.path ?? '').replace(/^\//, '')}`, code: await codeOf(route), signedIn: inside })
  }
  return out
}

/** Every route: its path, the name of its code, and whether only who is signed in sees it. */
export async function routes() {
  const all = await flat(table())
  assert.ok(
    all.filter((r) => r.signedIn).length > 15 && all.some((r) => !r.signedIn),
    'the table of routes was not read',
  )
  return all
}
