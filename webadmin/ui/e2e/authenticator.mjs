import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const period = 30 // seconds
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

function decode(base32) {
  const bits = [...base32].map((c) => letters.indexOf(c).toString(2).padStart(5, '0')).join('')
  return Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)))
}

/** An authenticator app (RFC 6238). The API takes each code once, so it never shows one twice. */
export class Authenticator {
  #key
  #last = 0

  constructor(secret) {
    this.#key = decode(secret)
  }

  async code() {
    const now = () => Math.floor(Date.now() / 1000 / period)
    const step = Math.max(now(), this.#last + 1)
    while (step > now() + 1) await sleep(200) // the API forgives a clock that is one step ahead
    this.#last = step
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64BE(BigInt(step))
    const mac = createHmac('sha1', this.#key).update(counter).digest()
    const at = mac[19] & 15
    return String((mac.readUInt32BE(at) & 0x7fffffff) % 1e6).padStart(6, '0')
  }
}
