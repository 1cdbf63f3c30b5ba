package topic

// Hint wakes one reader, which then looks what there is to do: many wake-ups before it
// takes one are one. What there is to do is kept elsewhere.
type Hint chan struct{}

// NewHint returns a Hint that nobody has woken.
func NewHint() Hint { return make(Hint, 1) }

// Wake never blocks.
func (h Hint) Wake() {
	select {
	case h <- struct{}{}:
	default: // it has one to take
	}
}
