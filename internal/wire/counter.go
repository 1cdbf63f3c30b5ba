package wire

import "fmt"

// Counter numbers or checks the messages of one direction of one stream. Its zero
// value is before the first message.
type Counter struct{ last uint64 }

// Next is the number of the next message that we send.
func (c *Counter) Next() uint64 {
	c.last++
	return c.last
}

// Take checks the number of a message that came. After an Error, which is the
// peer's fault, the stream must end: what follows cannot be trusted to be complete.
func (c *Counter) Take(n uint64) error {
	if n != c.last+1 {
		return &SequenceError{Got: n, Due: c.last + 1}
	}
	c.last = n
	return nil
}

// Last is the number sent or taken last, 0 before the first message.
func (c *Counter) Last() uint64 { return c.last }

// SequenceError says that a peer broke the rule.
type SequenceError struct{ Got, Due uint64 }

// Error implements error.
func (e *SequenceError) Error() string {
	switch {
	case e.Got == 0:
		return fmt.Sprintf("a message without a number where %d was due", e.Due)
	case e.Got < e.Due:
		return fmt.Sprintf("message %d came again where %d was due", e.Got, e.Due)
	default:
		return fmt.Sprintf("message %d came where %d was due", e.Got, e.Due)
	}
}
