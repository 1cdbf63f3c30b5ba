package auth

// Waiting is how many asks are in memory.
func (d *Devices) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}
