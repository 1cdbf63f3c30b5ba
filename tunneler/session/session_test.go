package session_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	soon   = 10 * time.Second
	laptop = "spiffe://mycorp.internal/tunneler/laptop"
)

// fakeConnector acknowledges heartbeats and shows them to the test.
type fakeConnector struct {
	zerotrustv1.UnimplementedTunnelServiceServer

	addr   string
	own    *mtlstest.Identity
	beats  chan *zerotrustv1.TunnelerHeartbeat
	ended  chan struct{} // one value for each session that ended
	hang   chan error    // ends a session
	probes atomic.Int64
	mute   bool
	// answer is what a message gets; nil numbers and acknowledges each.
	answer func(sequence uint64) []*zerotrustv1.SessionResponse
	// instances has that of each first message.
	instances chan []byte
	stop      func()
}

// ack is the n-th message of a connector, and acknowledges one of the tunneler.
func ack(n, acknowledges uint64) *zerotrustv1.SessionResponse {
	return &zerotrustv1.SessionResponse{Sequence: n, Ack: &zerotrustv1.SessionAck{Acknowledges: acknowledges}}
}

func (f *fakeConnector) Session(stream zerotrustv1.TunnelService_SessionServer) error {
	got := make(chan error, 1)
	var seen wire.Counter
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			m, err := stream.Recv()
			if err != nil {
				got <- err
				return
			}
			if err := seen.Take(m.GetSequence()); err != nil {
				got <- err
				return
			}
			if m.GetSequence() == 1 {
				select {
				case f.instances <- m.GetInstance():
				default:
				}
			} else if len(m.GetInstance()) > 0 {
				got <- errors.New("an instance in a later message")
				return
			}
			if hb := m.GetHeartbeat(); hb != nil {
				select {
				case f.beats <- hb:
				case <-done:
					return
				}
			} else {
				f.probes.Add(1)
			}
			for _, a := range f.answers(m.GetSequence()) {
				_ = stream.Send(a)
			}
		}
	}()
	var err error
	select {
	case err = <-f.hang:
	case err = <-got:
	}
	f.ended <- struct{}{}
	return err
}

func (f *fakeConnector) answers(n uint64) []*zerotrustv1.SessionResponse {
	switch {
	case f.mute:
		return nil
	case f.answer != nil:
		return f.answer(n)
	default:
		return []*zerotrustv1.SessionResponse{ack(n, n)}
	}
}

func startConnector(t *testing.T, ca *mtlstest.CA, svid *x509svid.SVID, mute bool, opts ...func(*fakeConnector)) *fakeConnector {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", hosttest.Address(t)) // which is nobody else's when it has stopped
	require.NoError(t, err)
	return serveConnector(t, ca, l, svid, mute, opts...)
}

func serveConnector(t *testing.T, ca *mtlstest.CA, l net.Listener, svid *x509svid.SVID, mute bool, opts ...func(*fakeConnector)) *fakeConnector {
	t.Helper()
	own := ca.Identity(svid)
	server := mtlstest.NewReproofServer(own, mtls.Kinds(td, identity.KindTunneler))
	f := &fakeConnector{
		addr: l.Addr().String(), own: own, beats: make(chan *zerotrustv1.TunnelerHeartbeat, 1024),
		ended: make(chan struct{}, 1024), hang: make(chan error), mute: mute, instances: make(chan []byte, 64),
	}
	for _, opt := range opts {
		opt(f)
	}
	zerotrustv1.RegisterTunnelServiceServer(server, f)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	f.stop = func() { server.Stop(); <-done }
	t.Cleanup(f.stop)
	return f
}

func (f *fakeConnector) beat(t *testing.T) *zerotrustv1.TunnelerHeartbeat {
	t.Helper()
	select {
	case hb := <-f.beats:
		return hb
	case <-time.After(soon):
		require.FailNow(t, "no heartbeat")
		return nil
	}
}

func (f *fakeConnector) end(t *testing.T) {
	t.Helper()
	select {
	case <-f.ended:
	case <-time.After(soon):
		require.FailNow(t, "the session did not end")
	}
}

// book is a directory that the test writes. Its fields change before Changed.
type book struct {
	pages    chan directory.Directory
	current  directory.Directory
	changed  chan struct{}
	unproven chan reproof.Refusal
	// stands is for how many nanoseconds the program stands still when it reads next.
	stands atomic.Int64
}

func (b *book) Current() directory.Directory {
	if d := time.Duration(b.stands.Swap(0)); d > 0 {
		<-time.After(d)
	}
	select {
	case b.current = <-b.pages:
	default:
	}
	return b.current
}

func (b *book) Changed() <-chan struct{} { return b.changed }

// Unproven implements session.Directory.
func (b *book) Unproven(r reproof.Refusal) { b.unproven <- r }

func (b *book) turn(connectors ...directory.Connector) {
	b.pages <- directory.Directory{Connectors: connectors}
	b.changed <- struct{}{}
}

func at(id string, addresses ...string) directory.Connector {
	return directory.Connector{ID: id, SPIFFEID: spiffeid.RequireFromPath(td, "/connector/"+id), Addresses: addresses}
}

type world struct {
	ca       *mtlstest.CA
	identity *mtlstest.Identity
	book     *book
	manager  *session.Manager
}

func start(t *testing.T, ca *mtlstest.CA, opts ...func(*session.Config)) *world {
	t.Helper()
	w := &world{
		ca: ca, identity: ca.Identity(ca.SVID(t, laptop)),
		book: &book{pages: make(chan directory.Directory, 8), changed: make(chan struct{}, 8), unproven: make(chan reproof.Refusal, 8)},
	}
	cfg := session.Config{ID: "laptop", Version: "1.2.3", Identity: w.identity, Directory: w.book, Heartbeat: time.Hour, Log: zap.NewNop()}
	for _, opt := range opts {
		opt(&cfg)
	}
	var err error
	w.manager, err = session.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.manager.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	return w
}

func (w *world) ready(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return w.manager.Ready(t.Context()) == nil }, soon, time.Millisecond)
}

func connectorSVID(t *testing.T, ca *mtlstest.CA, id string, opts ...mtlstest.Option) *x509svid.SVID {
	t.Helper()
	return ca.SVID(t, "spiffe://mycorp.internal/connector/"+id, opts...)
}

// TestFormerHolder: a connector that was replaced keeps the SPIFFE ID of its
// successor until its last SVID expires, and must not keep the tunneler.
func TestFormerHolder(t *testing.T) {
	t.Parallel()
	anew := func(c directory.Connector, since time.Time) directory.Connector {
		c.SVIDNotBefore = since
		return c
	}
	t.Run("is left when its id is enrolled anew, also at the same address", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		old := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		w.book.turn(at("a", old.addr))
		old.beat(t)
		w.ready(t)
		w.book.turn(anew(at("a", old.addr), time.Now().Add(time.Minute)))
		old.end(t)
		require.Eventually(t, func() bool {
			err := w.manager.Ready(t.Context())
			return err != nil && strings.Contains(err.Error(), "was revoked")
		}, soon, time.Millisecond)
		require.Empty(t, old.beats, "not one heartbeat more")
	})
	t.Run("is left when another host holds its id, however young its SVID is", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		first, second := identity.NewHostID(), identity.NewHostID()
		old := startConnector(t, ca, connectorSVID(t, ca, "a", mtlstest.OnHost(first), mtlstest.Since(time.Now())), false)
		w := start(t, ca)
		on := func(host identity.HostID) directory.Connector {
			c := at("a", old.addr)
			c.HostID = host
			return c
		}
		w.book.turn(on(first))
		old.beat(t)
		w.ready(t)
		w.book.turn(on(second))
		old.end(t)
		require.Eventually(t, func() bool {
			err := w.manager.Ready(t.Context())
			return err != nil && strings.Contains(err.Error(), "was revoked")
		}, soon, time.Millisecond)
		require.Empty(t, old.beats, "not one heartbeat more")
		w.book.turn(on(first))
		old.beat(t)
	})
	t.Run("is told from its successor by the SVID alone", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		now := time.Now().Truncate(time.Second)
		fresh := startConnector(t, ca, connectorSVID(t, ca, "a", mtlstest.Since(now)), false)
		w := start(t, ca)
		w.book.turn(anew(at("a", fresh.addr), now))
		fresh.beat(t)
		w.ready(t)
	})
}

func TestManager(t *testing.T) {
	t.Parallel()
	t.Run("keeps one session with each connector of the directory", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a, b := startConnector(t, ca, connectorSVID(t, ca, "a"), false), startConnector(t, ca, connectorSVID(t, ca, "b"), false)
		w := start(t, ca)
		require.ErrorIs(t, w.manager.Ready(t.Context()), session.ErrNoConnector)
		w.book.turn(at("a", a.addr), at("b", b.addr))
		hb := a.beat(t)
		require.Equal(t, "laptop", hb.GetTunnelerId())
		require.Equal(t, "1.2.3", hb.GetVersion())
		require.Equal(t, w.identity.Status().Serial, hb.GetSvid().GetSerial())
		b.beat(t)
		w.ready(t)
		require.Eventually(t, func() bool { return w.manager.Status().Open == 2 }, soon, time.Millisecond)
		require.Equal(t, 2, w.manager.Status().Wanted)
		w.book.turn(at("b", b.addr)) // a leaves the directory
		a.end(t)
		require.Empty(t, b.ended)
		require.Equal(t, session.Status{Open: 1, Wanted: 1}, w.manager.Status())
		w.book.turn()
		b.end(t)
		require.Eventually(t, func() bool { return w.manager.Ready(t.Context()) != nil }, soon, time.Millisecond)
	})
	t.Run("beats at once after a swap of its SVID", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		w.book.turn(at("a", f.addr))
		f.beat(t)
		w.ready(t) // subscribed by now
		next := ca.SVID(t, laptop)
		w.identity.Swap(next)
		require.Equal(t, next.Certificates[0].SerialNumber.Text(16), f.beat(t).GetSvid().GetSerial())
		require.Empty(t, f.ended, "the stream was not closed for it")
	})
	t.Run("says at once that it does not trust an authority any more", func(t *testing.T) {
		t.Parallel()
		ca, old := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		both := ca.Bundle().Clone()
		both.AddX509Authority(old.Bundle().X509Authorities()[0])
		w.identity.Trust(both)
		w.book.turn(at("a", f.addr))
		require.Len(t, f.beat(t).GetBundleAuthorityIds(), 2)
		w.ready(t) // subscribed by now
		w.identity.Trust(ca.Bundle())
		require.Equal(t, w.identity.AuthorityIDs(), f.beat(t).GetBundleAuthorityIds())
	})
	t.Run("comes back when the connector ends a session", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		w.book.turn(at("a", f.addr))
		f.beat(t)
		f.hang <- status.Error(codes.Unavailable, "the connector is stopping")
		f.beat(t)
		w.ready(t)
	})
	t.Run("goes to the next address of a connector", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		w.book.turn(at("a", "127.0.0.1:1", f.addr))
		f.beat(t)
	})
	t.Run("follows a connector to a new address", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca)
		w.book.turn(at("a"))
		require.Eventually(t, func() bool {
			err := w.manager.Ready(t.Context())
			return err != nil && assert.ObjectsAreEqual("connector a has no address yet: is it running?", err.Error())
		}, soon, time.Millisecond)
		w.book.turn(at("a", f.addr))
		f.beat(t)
	})
	t.Run("ends a session whose heartbeats nobody answers", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), true)
		w := start(t, ca, func(c *session.Config) { c.Heartbeat = 10 * time.Millisecond })
		w.book.turn(at("a", f.addr))
		f.end(t)
		require.Eventually(t, func() bool {
			err := w.manager.Ready(t.Context())
			return err != nil && strings.Contains(err.Error(), "did not acknowledge")
		}, soon, time.Millisecond)
	})
	t.Run("shows why a connector refuses it", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), true)
		w := start(t, ca)
		w.book.turn(at("a", f.addr))
		f.hang <- status.Error(codes.PermissionDenied, "revoked")
		require.Eventually(t, func() bool { return status.Code(w.manager.Ready(t.Context())) == codes.PermissionDenied }, soon, time.Millisecond)
	})
	t.Run("uses only the connector that is named", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a, b := startConnector(t, ca, connectorSVID(t, ca, "a"), false), startConnector(t, ca, connectorSVID(t, ca, "b"), false)
		w := start(t, ca, func(c *session.Config) { c.ConnectorID = "b" })
		w.book.turn(at("a", a.addr), at("b", b.addr))
		b.beat(t)
		require.Empty(t, a.beats)
	})
	t.Run("says what to set when the named one is not there", func(t *testing.T) {
		t.Parallel()
		w := start(t, mtlstest.NewCA(t, td), func(c *session.Config) { c.ConnectorID = "c" })
		w.book.turn(at("a", "10.0.0.1:9443"), at("b", "10.0.0.2:9443"))
		require.Eventually(t, func() bool {
			err := w.manager.Ready(t.Context())
			return err != nil && err.Error() != session.ErrNoConnector.Error()
		}, soon, time.Millisecond)
		require.ErrorContains(t, w.manager.Ready(t.Context()), "check CONNECTOR_ID; it lists a, b")
	})
}

func TestSessionRefusesAsConnector(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	foreign := mtlstest.NewCA(t, td)
	evil := foreign.SVID(t, "spiffe://mycorp.internal/connector/a")
	spliced := *evil
	spliced.Certificates = append(spliced.Certificates, connectorSVID(t, ca, "a").Certificates...)
	for name, svid := range map[string]*x509svid.SVID{
		"an enrolled but other connector":  connectorSVID(t, ca, "b"),
		"a tunneler":                       ca.SVID(t, "spiffe://mycorp.internal/tunneler/a"),
		"a controller":                     ca.SVID(t, "spiffe://mycorp.internal/controller/a"),
		"another trust domain":             ca.SVID(t, "spiffe://other.internal/connector/a"),
		"an expired SVID":                  connectorSVID(t, ca, "a", mtlstest.Expired()),
		"another authority":                evil,
		"a foreign leaf with a good chain": &spliced,
		"two URI SANs":                     connectorSVID(t, ca, "a", mtlstest.WithURI("spiffe://mycorp.internal/connector/b")),
		"the identity in CN and DNS only":  connectorSVID(t, ca, "a", mtlstest.NameOnly()),
		"no SVID":                          nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := startConnector(t, ca, svid, false)
			w := start(t, ca)
			w.book.turn(at("a", f.addr))
			require.Eventually(t, func() bool { return status.Code(w.manager.Ready(t.Context())) == codes.Unavailable }, soon, time.Millisecond)
			require.Empty(t, f.beats)
		})
	}
}

// TestARefusedProofIsTold: a connector that was not the one of the handshake leaves a
// trace in the audit log, which only the tunneler can write.
func TestARefusedProofIsTold(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]func(addr string) func(*session.Config){
		"of a connector of the directory":    func(string) func(*session.Config) { return func(*session.Config) {} },
		"of the connector at CONNECTOR_ADDR": by,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
			w := start(t, ca, opt(f.addr))
			w.book.turn(at("a", f.addr))
			f.beat(t)
			f.own.Swap(connectorSVID(t, ca, "a", mtlstest.Expired()))
			select {
			case r := <-w.book.unproven:
				require.Equal(t, "spiffe://mycorp.internal/connector/a", r.Peer.String())
				require.Equal(t, f.addr, r.Remote)
				require.True(t, r.Dialed)
				require.Contains(t, r.Reason, "expired")
			case <-time.After(soon):
				require.FailNow(t, "nobody hears that the proof was refused")
			}
		})
	}
}

func TestAManagerLivesWhileNothingChanges(t *testing.T) {
	t.Parallel()
	w := start(t, mtlstest.NewCA(t, td))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, w.manager.Alive(ctx))
	require.NoError(t, w.manager.Alive(ctx), "being asked is no change of the directory")
}

func TestWhichConnectorsMayBeUsed(t *testing.T) {
	t.Parallel()
	sid := func(id string) spiffeid.ID { return spiffeid.RequireFromPath(td, "/connector/"+id) }
	a := directory.Connector{ID: "a", SPIFFEID: sid("a"), Addresses: []string{"10.0.0.1:9443", "10.0.0.2:9443"}}
	b := directory.Connector{ID: "b", SPIFFEID: sid("b"), Addresses: []string{"10.0.0.3:9443"}}
	one, two := []directory.Connector{a}, []directory.Connector{a, b}
	for name, c := range map[string]struct {
		d     []directory.Connector
		id    string
		want  []directory.Connector
		fails string
	}{
		"all without a wish":       {d: two, want: two},
		"the named one":            {d: two, id: "b", want: []directory.Connector{b}},
		"nobody for an unknown id": {d: one, id: "b", fails: "no connector \"b\": check CONNECTOR_ID; it lists a"},
		"nobody of an empty one":   {id: "a", fails: "lists no connector"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := session.Choose(c.d, c.id)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
