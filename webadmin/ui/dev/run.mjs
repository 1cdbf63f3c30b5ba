// Runs a program of this directory, which is TypeScript: npm run world, npm run look.
import { runnerImport } from 'vite'

const [name, ...args] = process.argv.slice(2)
const { module } = await runnerImport(new URL(name, import.meta.url).pathname)
await module.main(args)
