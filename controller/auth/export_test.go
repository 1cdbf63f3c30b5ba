package auth

// AccountKey is what attempts on an account are counted under.
func AccountKey(email string) []byte { return accountKey(email) }

// Waiting is how many asks are in memory.
func (d *Devices) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting)
}

// The length of a password.
const (
	MinPassword = minPassword
	MaxPassword = maxPassword
)
