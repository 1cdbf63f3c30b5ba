import { randomBytes } from 'node:crypto'
import type { components } from '../src/api/schema'

export type S = components['schemas']
export type Kind = S['Token']['kind']
export type Member = S['Connector'] | S['Tunneler']
export type Role = 'auditor' | 'operator' | 'admin' | 'owner'

export const ago = (s: number) => new Date(Date.now() - s * 1000).toISOString()
export const ahead = (s: number) => ago(-s)
export const hex = (n: number) => randomBytes(n).toString('hex')
