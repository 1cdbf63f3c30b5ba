import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// unit: what needs no browser. pages: the build in a browser, with dev/world.ts behind it.
export default defineConfig({
  resolve: { alias: { '@': fileURLToPath(new URL('src', import.meta.url)) } },
  test: {
    projects: [
      { extends: true, test: { name: 'unit', include: ['src/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'pages',
          include: ['e2e/*.test.ts'],
          testTimeout: 120_000,
          expect: { poll: { timeout: 20_000 } },
          hookTimeout: 60_000,
          maxConcurrency: 3,
        },
      },
    ],
  },
})
