// npm run look -- DIR [NAME...]: a picture of every page, state and dialog of the build in
// light and dark, at 1280 and at 390 px, with what axe and the browser complain of.
import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Gallery } from './browser'
import { dialogs, pages } from './scenes'

const phone = { viewport: { width: 390, height: 844 }, isMobile: true, deviceScaleFactor: 2 }

const looks = [
  ['dark', { colorScheme: 'dark' }],
  ['light', { colorScheme: 'light' }],
  ['phone', { colorScheme: 'light', ...phone }],
  ['phone-dark', { colorScheme: 'dark', ...phone }],
] as const

export async function main([out = mkdtempSync(join(tmpdir(), 'look-')), ...only]: string[]) {
  const all = [...pages, ...dialogs]
  const unknown = only.filter((name) => !all.some((s) => s.name === name))
  if (unknown.length) {
    console.error(`no picture has the name ${unknown.join(', ')}; there are ${all.map((s) => s.name).join(' ')}`)
    process.exitCode = 2
    return
  }
  const scenes = all.filter(({ name }) => !only.length || only.includes(name))
  mkdirSync(out, { recursive: true })
  let faults = 0
  for (const [look, options] of looks) {
    const gallery = await Gallery.open(options)
    for (const scene of scenes) {
      const v = await gallery.visit(scene)
      try {
        await v.enter()
        await v.judge()
      } catch (err) {
        faults++
        console.log(`${scene.name} ${look}: ${String(err).slice(0, 1500)}`)
      }
      await v.page.screenshot({ path: join(out, `${scene.name}-${look}.png`), fullPage: !scene.dialog })
      await v.leave()
    }
    await gallery.close()
  }
  console.log(`${faults} faults; pictures in ${out}`)
  process.exitCode = faults ? 1 : 0
}
