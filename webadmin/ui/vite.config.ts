import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import postcss from 'postcss'
import { defineConfig, type Plugin } from 'vite'

// The server sends NAME.br or NAME.gz where the browser takes it: compressing at build
// time costs the controller nothing, and may take long.
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    closeBundle() {
      const assets = fileURLToPath(new URL('dist/assets', import.meta.url))
      for (const name of readdirSync(assets)) {
        if (!/\.(js|css)$/.test(name)) continue
        const file = join(assets, name)
        const body = readFileSync(file)
        writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }))
        writeFileSync(`${file}.br`, brotliCompressSync(body))
      }
    },
  }
}

// Mantine's style sheet has the rules of all its components. Their classes are hashes
// that the code names: a rule with a class that no code names can match nothing.
function usedRules(): Plugin {
  const hashed = /\bm_[0-9a-f]{6,8}\b/g
  return {
    name: 'used-rules',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const files = Object.values(bundle)
      const used = new Set(files.flatMap((f) => (f.type === 'chunk' ? (f.code.match(hashed) ?? []) : [])))
      for (const file of files) {
        if (file.type !== 'asset' || !file.fileName.endsWith('.css')) continue
        const sheet = postcss.parse(String(file.source))
        sheet.walkRules((rule) => {
          const selectors = rule.selectors.filter((s) => (s.match(hashed) ?? []).every((c) => used.has(c)))
          if (selectors.length) rule.selectors = selectors
          else rule.remove()
        })
        sheet.walkAtRules((rule) => {
          if (rule.nodes?.length === 0) rule.remove()
        })
        file.source = sheet.toString()
      }
    },
  }
}

// A style sheet in the head keeps everything white until it has arrived. Behind the
// first picture of the page it only keeps the application waiting; before the root, so
// that what the application adds at run time still comes after it.
function paintFirst(): Plugin {
  return {
    name: 'paint-first',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(html) {
        const sheets = html.match(/<link rel="stylesheet"[^>]*>/g) ?? []
        const head = sheets.reduce((text, sheet) => text.replace(sheet, ''), html)
        return head.replace('<!-- style sheets -->', sheets.join(''))
      },
    },
  }
}

export default defineConfig({
  plugins: [react(), usedRules(), paintFirst(), compressed()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // font-src 'self' has no data:
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': process.env.API ?? 'http://127.0.0.1:8080' } },
})
