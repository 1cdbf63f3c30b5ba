// The API of a world; each file of answers registers its operations.
import './answers/access'
import './answers/enrollment'
import './answers/fleet'
import './answers/reach'
import './answers/trust'

export { answer, Fault } from './answer'
