export const memberStates = [
  { value: 'ONLINE', label: 'Online' },
  { value: 'OFFLINE', label: 'Offline' },
  { value: 'REVOKED', label: 'Revoked' },
]
