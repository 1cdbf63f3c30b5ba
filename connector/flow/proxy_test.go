package flow_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// proxied is a world in which all that is granted has a header, and the far ends of what is
// dialed.
type proxied struct {
	*world

	far chan net.Conn
}

func tell(t *testing.T, as access.ProxyProtocol) *proxied {
	t.Helper()
	w := &proxied{far: make(chan net.Conn, 1)}
	w.world = in(t, func(c *flow.Config) {
		c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
			near, far := net.Pipe()
			w.far <- far
			return near, nil
		}
	})
	for host, address := range map[string]string{"db.corp": "10.0.0.5", "six.corp": "fd00::5"} {
		w.grant(host, address)
		w.grant(address)
	}
	for host, d := range w.rules.granted {
		d.ProxyProtocol = as
		w.rules.granted[host] = d
	}
	return w
}

// flow is one that a tunneler at this address opens.
func (w *proxied) flow(host, from string) *transport.Flow {
	f := transport.NewFlow(laptop, transport.Target{Host: host, Port: 5432}, func(error) {})
	if from != "" {
		f.From = netip.MustParseAddrPort(from)
	}
	return f
}

// headerBytes is a second implementation of the table in docs/flows.md. Addresses are as long
// as their family says.
func headerBytes(family byte, from, to netip.AddrPort, tunneler spiffeid.ID, name string) []byte {
	var rest []byte
	for _, a := range []netip.AddrPort{from, to} {
		if ip := a.Addr().As16(); family == 0x21 {
			rest = append(rest, ip[:]...)
		} else {
			rest = append(rest, ip[12:]...)
		}
	}
	for _, a := range []netip.AddrPort{from, to} {
		rest = binary.BigEndian.AppendUint16(rest, a.Port())
	}
	tlv := func(kind byte, value string) {
		rest = append(binary.BigEndian.AppendUint16(append(rest, kind), uint16(len(value))), value...)
	}
	tlv(0xe5, tunneler.String())
	if name != "" {
		tlv(0x02, name)
	}
	out := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21"), family)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(rest))), rest...)
}

// TestATargetIsToldWhoseConnectionItGets before anything else.
func TestATargetIsToldWhoseConnectionItGets(t *testing.T) {
	t.Parallel()
	const four, six = 0x11, 0x21
	for name, c := range map[string]struct {
		host, from string
		family     byte
		source     string // as it is written
		to         string
		authority  string
	}{
		"a name, IPv4":                 {"db.corp", "198.51.100.7:49152", four, "198.51.100.7:49152", "10.0.0.5:5432", "db.corp"},
		"an address":                   {"10.0.0.5", "198.51.100.7:49152", four, "198.51.100.7:49152", "10.0.0.5:5432", ""},
		"IPv6":                         {"six.corp", "[2001:db8::7]:49152", six, "[2001:db8::7]:49152", "[fd00::5]:5432", "six.corp"},
		"IPv4 to IPv6":                 {"fd00::5", "198.51.100.7:49152", six, "[::ffff:198.51.100.7]:49152", "[fd00::5]:5432", ""},
		"IPv6 to IPv4":                 {"db.corp", "[2001:db8::7]:49152", six, "[2001:db8::7]:49152", "[::ffff:10.0.0.5]:5432", "db.corp"},
		"IPv4 on a socket of IPv6":     {"db.corp", "[::ffff:198.51.100.7]:49152", four, "198.51.100.7:49152", "10.0.0.5:5432", "db.corp"},
		"a link, which has its own id": {"six.corp", "[fe80::7%eth0]:49152", six, "[fe80::7]:49152", "[fd00::5]:5432", "six.corp"},
	} {
		bubble(t, name, func(t *testing.T) {
			w := tell(t, access.ProxyV2)
			want := headerBytes(c.family, netip.MustParseAddrPort(c.source), netip.MustParseAddrPort(c.to), laptop, c.authority)
			got := make(chan []byte, 1)
			go func() {
				far := <-w.far
				all, _ := io.ReadAll(far)
				got <- all
			}()
			f := w.flow(c.host, c.from)
			conn, err := w.Open(t.Context(), f)
			require.NoError(t, err)
			_, err = conn.Write([]byte("SELECT 1"))
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.Equal(t, hex.Dump(append(want, "SELECT 1"...)), hex.Dump(<-got))
			w.Ended(f, transport.End{Connected: true})
		})
	}
	t.Run("the specification shows one", func(t *testing.T) {
		t.Parallel()
		spec, err := os.ReadFile("../../docs/flows.md")
		require.NoError(t, err)
		want := headerBytes(four, netip.MustParseAddrPort("198.51.100.7:49152"), netip.MustParseAddrPort("10.0.0.5:5432"), laptop, "db.corp")
		require.Contains(t, string(spec), hex.Dump(want), "put this into docs/flows.md")
	})
}

func TestAConnectionWithoutAHeaderBeginsWithWhatTheClientSays(t *testing.T) {
	t.Parallel()
	bubble(t, "and with no byte more", func(t *testing.T) {
		w := tell(t, "")
		f := w.flow("db.corp", "198.51.100.7:49152")
		conn, err := w.Open(t.Context(), f) // a write would not return: nobody reads yet
		require.NoError(t, err)
		far := <-w.far
		go func() {
			_, _ = conn.Write([]byte("x"))
			_ = conn.Close()
		}()
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Equal(t, "x", string(got))
		w.Ended(f, transport.End{Connected: true})
	})
}

// TestATargetThatDoesNotTakeTheHeaderHoldsNobody up: the time to connect counts.
func TestATargetThatDoesNotTakeTheHeaderHoldsNobody(t *testing.T) {
	t.Parallel()
	bubble(t, "half of it", func(t *testing.T) {
		w := tell(t, access.ProxyV2)
		began, f := time.Now(), w.flow("db.corp", "198.51.100.7:49152")
		done := make(chan error, 1)
		go func() {
			_, err := w.Open(t.Context(), f)
			done <- err
		}()
		far := <-w.far
		_, err := io.ReadFull(far, make([]byte, 20))
		require.NoError(t, err)
		require.ErrorIs(t, <-done, transport.ErrTimeout)
		require.Equal(t, 10*time.Second, time.Since(began))
		_, err = far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "it is closed")
		w.Ended(f, transport.End{})
	})
	bubble(t, "and its tunneler gives up", func(t *testing.T) {
		w := tell(t, access.ProxyV2)
		ctx, cancel := context.WithCancel(t.Context())
		began, f := time.Now(), w.flow("db.corp", "198.51.100.7:49152")
		done := make(chan error, 1)
		go func() {
			_, err := w.Open(ctx, f)
			done <- err
		}()
		far := <-w.far
		synctest.Wait()
		cancel()
		require.Error(t, <-done)
		require.Zero(t, time.Since(began))
		_, err := far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		w.Ended(f, transport.End{})
	})
	bubble(t, "and the next flow has no deadline of it", func(t *testing.T) {
		w := tell(t, access.ProxyV2)
		f := w.flow("db.corp", "198.51.100.7:49152")
		go func() {
			far := <-w.far
			_, _ = io.ReadFull(far, make([]byte, len(headerBytes(0x11, netip.AddrPort{}, netip.AddrPort{}, laptop, "db.corp"))))
			<-time.After(time.Hour)
			_, _ = io.ReadAll(far)
		}()
		conn, err := w.Open(t.Context(), f)
		require.NoError(t, err)
		_, err = conn.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		w.Ended(f, transport.End{Connected: true})
	})
}

// closing is a connection whose far end does not take anything.
type closing struct{ net.Conn }

func (closing) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
}

func TestNothingIsSentThatWouldNotBeTrue(t *testing.T) {
	t.Parallel()
	// opens returns what arrives at the target.
	opens := func(t *testing.T, w *proxied, f *transport.Flow) (string, error) {
		t.Helper()
		got := make(chan string, 1)
		go func() {
			all, _ := io.ReadAll(<-w.far)
			got <- string(all)
		}()
		_, err := w.Open(t.Context(), f)
		w.Ended(f, transport.End{Reason: err})
		return <-got, err
	}
	bubble(t, "without the tunneler's address", func(t *testing.T) {
		w := tell(t, access.ProxyV2)
		got, err := opens(t, w, w.flow("db.corp", ""))
		require.ErrorIs(t, err, transport.ErrInternal)
		require.Empty(t, got)
	})
	bubble(t, "in a version that is not known", func(t *testing.T) {
		w := tell(t, "v9")
		got, err := opens(t, w, w.flow("db.corp", "198.51.100.7:49152"))
		require.ErrorIs(t, err, transport.ErrInternal)
		require.Empty(t, got)
	})
	bubble(t, "for a flow that is not allowed any more", func(t *testing.T) {
		w := tell(t, access.ProxyV2)
		asked := 0
		w.network.names["late.corp"] = []string{"10.0.0.5"}
		w.grant("late.corp")
		d := w.rules.granted["late.corp"]
		d.ProxyProtocol = access.ProxyV2
		w.rules.granted["late.corp"] = d
		w.rules.on = func(host string) {
			if asked++; asked == 2 { // once more, when it is connected
				require.Equal(t, "late.corp", host)
				w.rules.granted[host] = access.Decision{Code: "not_granted"}
			}
		}
		got, err := opens(t, w, w.flow("late.corp", "198.51.100.7:49152"))
		require.ErrorIs(t, err, transport.ErrRefused)
		require.Empty(t, got)
	})
	bubble(t, "to a target that hangs up", func(t *testing.T) {
		w := &proxied{world: in(t, func(c *flow.Config) {
			c.Dial = func(context.Context, netip.AddrPort) (net.Conn, error) {
				near, _ := net.Pipe()
				return closing{near}, nil
			}
		})}
		w.grant("db.corp", "10.0.0.5")
		d := w.rules.granted["db.corp"]
		d.ProxyProtocol = access.ProxyV2
		w.rules.granted["db.corp"] = d
		f := w.flow("db.corp", "198.51.100.7:49152")
		_, err := w.Open(t.Context(), f)
		require.ErrorIs(t, err, transport.ErrConnRefused)
		w.Ended(f, transport.End{})
	})
}
