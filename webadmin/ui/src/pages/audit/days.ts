/** The first moment of a day in the browser's zone. */
export function startOf(day: string): string | undefined {
  return day ? moment(new Date(`${day}T00:00:00`)) : undefined
}

/** The moment at which a day has ended, so that all of it is before. */
export function endOf(day: string): string | undefined {
  if (!day) return undefined
  const end = new Date(`${day}T00:00:00`)
  end.setDate(end.getDate() + 1) // also on a day that has not 24 hours
  return moment(end)
}

/** The address may contain anything; an invalid day is ignored. */
function moment(at: Date): string | undefined {
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString()
}
