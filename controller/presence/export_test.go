package presence

// Look is what Watch does each time; it returns how many flipped.
func (r *Roster) Look() int { return len(r.flips()) }
