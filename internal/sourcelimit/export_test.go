package sourcelimit

// SharedOf is what listeners may share of a limit of open files.
func SharedOf(limit uint64) int { return shared(limit) }
