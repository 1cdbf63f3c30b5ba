import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// The server sends NAME.br or NAME.gz where the browser takes it: compressing at build time
// costs the controller nothing.
function zipped(): Plugin {
  return {
    name: 'zipped',
    apply: 'build',
    closeBundle() {
      const assets = fileURLToPath(new URL('dist/assets', import.meta.url))
      for (const name of readdirSync(assets)) {
        if (/\.(js|css)$/.test(name)) {
          const file = join(assets, name)
          const body = readFileSync(file)
          writeFileSync(`${file}.gz`, gzipSync(body, { level: 9 }))
          writeFileSync(`${file}.br`, brotliCompressSync(body))
        }
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), zipped()],
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // font-src 'self' has no data:
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': process.env.API ?? 'http://127.0.0.1:8080' } },
})
