// npm run world -- [PORT] [empty]: a world to look at in a browser of your own.
import { serve } from './serve'
import { World } from './world'

export async function main([port = '8085', size]: string[]) {
  const w = new World({ empty: size === 'empty' })
  const { url } = await serve(() => w, Number(port))
  console.log(`${url} (password: correct horse)`)
}
