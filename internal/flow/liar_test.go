package flow_test

import (
	"io"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// liar is a connector with an SVID that answers each open with the same frames.
type liar struct{ of *pipes }

// aLiar is the name of one.
const aLiar = "liar"

func (liar) Opened(*mtls.Conn) error { return nil }

func (liar) Socket(c net.Conn) net.Conn { return c }

func (l liar) Serve(secured net.Conn, of *mtls.Conn) {
	l.of.running.Go(func() {
		defer of.Close(nil)
		r := &raw{Conn: secured, of: of}
		for range 2 { // bind and open
			if _, _, err := r.next(); err != nil {
				return
			}
		}
		l.of.mu.Lock()
		says := l.of.lies
		l.of.mu.Unlock()
		_, _ = secured.Write(says)
		_, _ = io.Copy(io.Discard, secured)
	})
}

// lie sets what liars answer.
func (p *pipes) lie(frames ...[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies = slices.Concat(frames...)
}

// TestAConnectorThatAnswersWhatThereIsNotCarriesNoFlow: a code that a tunneler does not know has no
// error, and would look like success.
func TestAConnectorThatAnswersWhatThereIsNotCarriesNoFlow(t *testing.T) {
	t.Parallel()
	frame := func(typ flow.Type, payload ...byte) []byte { return flow.Append(nil, typ, payload...) }
	seen, ok := frame(flow.TypeSeen), frame(flow.TypeResult, byte(flow.CodeOK))
	for name, says := range map[string][]byte{
		"a result that there is not":               slices.Concat(seen, frame(flow.TypeResult, 200)),
		"a result that is a reason of resets":      slices.Concat(seen, frame(flow.TypeResult, byte(flow.CodeAborted))),
		"a result of what it has not seen":         ok,
		"data of a flow that is not open":          slices.Concat(seen, frame(flow.TypeData, 'x')),
		"a reset without a reason":                 slices.Concat(seen, frame(flow.TypeReset, byte(flow.CodeOK))),
		"a reset for a reason that there is not":   slices.Concat(seen, frame(flow.TypeReset, byte(flow.LastCode)+1)),
		"that it has seen it, again and no result": slices.Concat(seen, seen),
	} {
		bubble(t, name, func(t *testing.T) {
			p := inBubble(t, nil, aLiar)
			p.lie(says)
			c, err := p.Open(t.Context(), anywhere)
			require.Error(t, err)
			require.Nil(t, c)
		})
	}
	for name, ends := range map[string][]byte{
		"a reset without a reason":               frame(flow.TypeReset, byte(flow.CodeOK)),
		"a reset for a reason that there is not": frame(flow.TypeReset, byte(flow.LastCode)+1),
		"another result":                         ok,
	} {
		bubble(t, "nor ends it in order with "+name, func(t *testing.T) {
			p := inBubble(t, nil, aLiar)
			p.lie(seen, ok, frame(flow.TypeData, 'x'), ends)
			c, err := p.Open(t.Context(), anywhere)
			require.NoError(t, err)
			got, err := io.ReadAll(c)
			require.Equal(t, "x", string(got))
			require.Equal(t, flow.CodeProtocol, flow.CodeOf(err), "%v", err)
		})
	}
}
