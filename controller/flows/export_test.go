package flows

// MinutesOf counts the minutes of which r keeps a sum.
func MinutesOf(r *Recorder) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.minutes)
}
