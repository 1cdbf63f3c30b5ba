package admincmd

import (
	"context"
	"io"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// Relative is relative.
func Relative(t, now time.Time) string { return relative(t, now) }

// Ask is ask.
func Ask(ctx context.Context, in io.Reader, out io.Writer, text string) error {
	return ask(ctx, in, out, text)
}

// The tables that show what hosts say of themselves.
var (
	ConnectorTable = connectorTable
	TunnelerTable  = tunnelerTable
	HostTable      = hostTable
	RequestTable   = requestTable
)

// WriteCreated is writeCreated.
func WriteCreated(w io.Writer, t adminapi.CreatedToken) error { return writeCreated(w, t) }

// ColourStatus is colourStatus.
func ColourStatus(text string, t cli.Table, p cli.Paint) string { return colourStatus(text, t, p) }

// ReasonOf is the reason as audit list prints it.
func ReasonOf(e adminapi.AuditEvent) string { return reasonOf(e) }

// Flow signs in by the device flow on a clock that waits at once, and says how long it
// would have waited.
func Flow(ctx context.Context, out io.Writer, api device) (token adminapi.AccessToken, waited []time.Duration, err error) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	f := flow{out: out, now: func() time.Time { return now }, wait: func(_ context.Context, d time.Duration) error {
		waited, now = append(waited, d), now.Add(d)
		return nil
	}}
	token, err = f.run(ctx, api)
	return token, waited, err
}

// Unnamed says where a command goes that is told nothing, on a host whose controller has
// this socket, or none.
func Unnamed(socket string, none error) (at string, err error) {
	var c connection
	err = c.unnamed(socket, none)
	return c.at(), err
}

// Watch is watch.
func Watch(ctx context.Context, w io.Writer, look func() (line string, over bool, err error)) error {
	return watch(ctx, w, "rotation", look)
}

// ErrAnother is errAnother.
var ErrAnother = errAnother
