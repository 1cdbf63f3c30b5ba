package install

import (
	"net/http"
	"time"
)

// paced is a response whose client has to keep reading: each write has a deadline,
// and all of them together have one that advances with the bytes that went out. A
// reader that stops, and one that takes a byte a second, are cut by the same clock.
type paced struct {
	http.ResponseWriter

	control *http.ResponseController
	stall   time.Duration
	rate    int64 // bytes a second
	start   time.Time
	sent    int64
	status  int
	failed  error // the first error of a write
}

func newPaced(w http.ResponseWriter, stall time.Duration, rate int64) *paced {
	p := &paced{ResponseWriter: w, control: http.NewResponseController(w), stall: stall, rate: rate, start: time.Now(), status: http.StatusOK}
	p.advance() // for a response without a body too
	return p
}

// WriteHeader hides that of http.ResponseWriter.
func (p *paced) WriteHeader(status int) {
	p.status = status
	p.ResponseWriter.WriteHeader(status)
}

// Write hides that of http.ResponseWriter. There is no ReadFrom beside it, so that
// io.Copy comes here for every 32 KiB.
func (p *paced) Write(b []byte) (int, error) {
	p.advance()
	n, err := p.ResponseWriter.Write(b)
	p.sent += int64(n)
	if err != nil && p.failed == nil {
		p.failed = err
	}
	return n, err
}

func (p *paced) advance() {
	deadline := time.Now().Add(p.stall)
	if most := p.start.Add(p.stall + time.Duration(p.sent)*time.Second/time.Duration(p.rate)); most.Before(deadline) {
		deadline = most
	}
	// Only a writer without a connection, in a test, has no deadline.
	_ = p.control.SetWriteDeadline(deadline)
}
