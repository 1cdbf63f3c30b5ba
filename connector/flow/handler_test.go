package flow_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var laptop = spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/laptop")

// rules are a flow.Decider: what is granted, and which addresses.
type rules struct {
	mu        sync.Mutex
	granted   map[string]access.Decision // by host
	addresses map[string]bool            // that may be reached
	exact     map[string]bool            // that a resource names
	resources map[string]access.Resource // by id
	asked     []string
	on        func(host string) // before a decision, with the lock; nil for nothing
}

func (r *rules) Decide(_ spiffeid.ID, t access.Target, _ time.Time) access.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, t.Host)
	if r.on != nil {
		r.on(t.Host)
	}
	d, ok := r.granted[t.Host]
	if !ok {
		return access.Decision{Code: "no_resource"}
	}
	return d
}

func (r *rules) DecideAddress(_ spiffeid.ID, d access.Decision, to netip.AddrPort, _ time.Time) access.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, to.Addr().String())
	if d.Allowed && !r.addresses[to.Addr().String()] {
		d.Allowed, d.Code = false, "address_not_granted"
	}
	return d
}

func (r *rules) Names(to netip.AddrPort) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.exact[to.Addr().String()]
}

func (r *rules) Resource(id string) (access.Resource, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.resources[id]
	return found, ok
}

func (r *rules) withdraw(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.granted[host] = access.Decision{Code: "not_granted", ResourceID: "db"}
}

// network is DNS and what answers behind it.
type network struct {
	names   map[string][]string
	answers map[string]error // by address; nil connects

	mu     sync.Mutex
	looked []string
	dialed []string
}

func (n *network) LookupNetIP(_ context.Context, _, host string) (out []netip.Addr, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looked = append(n.looked, host)
	found, ok := n.names[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, a := range found {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

var errSilent = errors.New("no answer")

func (n *network) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, to.Addr().String())
	err := n.answers[to.Addr().String()]
	n.mu.Unlock()
	if err == errSilent { //nolint:errorlint // itself
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Err: err}
	}
	near, far := net.Pipe()
	_ = far.Close()
	return near, nil
}

// world is a handler in a bubble.
type world struct {
	*flow.Handler

	rules   *rules
	network *network
	records []flow.Record

	mu   sync.Mutex
	cuts []error
}

// cut counts the flows that were cut, while a timer may cut another one.
func (w *world) cut() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.cuts)
}

func in(t *testing.T, change ...func(*flow.Config)) *world {
	t.Helper()
	w := &world{
		rules: &rules{
			granted: map[string]access.Decision{}, exact: map[string]bool{},
			addresses: map[string]bool{"10.0.0.5": true, "10.0.0.6": true, "10.0.0.7": true, "fd00::5": true},
		},
		network: &network{names: map[string][]string{}, answers: map[string]error{}},
	}
	cfg := flow.Config{
		Decider: w.rules, Resolver: w.network, Dial: w.network.dial, Ended: func(r flow.Record) { w.records = append(w.records, r) }, Log: zap.NewNop(),
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	w.Handler, err = flow.New(cfg)
	require.NoError(t, err)
	return w
}

func (w *world) grant(host string, addresses ...string) {
	w.rules.granted[host] = access.Decision{Allowed: true, Code: "granted", ResourceID: "db", GrantID: "g1"}
	if len(addresses) > 0 {
		w.network.names[host] = addresses
	}
}

// begin opens a flow that stays open.
func (w *world) begin(ctx context.Context, host string) (*transport.Flow, net.Conn, error) {
	f := transport.NewFlow(laptop, transport.Target{Host: host, Port: 5432}, func(reason error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cuts = append(w.cuts, reason)
	})
	conn, err := w.Open(ctx, f)
	if err == nil {
		_ = conn.Close()
	}
	return f, conn, err
}

// attempt opens a flow and ends it, and returns how long the open took.
func (w *world) attempt(ctx context.Context, host string) (time.Duration, error) {
	began := time.Now()
	f, _, err := w.begin(ctx, host)
	took := time.Since(began)
	w.Ended(f, transport.End{Connected: err == nil, Reason: err})
	return took, err
}

func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestWhatIsNotGrantedIsNeitherLookedUpNorDialed(t *testing.T) {
	t.Parallel()
	bubble(t, "and looks like what does not exist, also in time", func(t *testing.T) {
		w := in(t)
		w.grant("vault", "10.0.0.5")
		w.rules.withdraw("vault")
		for range 3 {
			tookUnknown, unknown := w.attempt(t.Context(), "nothing")
			tookUngranted, ungranted := w.attempt(t.Context(), "vault")
			require.ErrorIs(t, unknown, transport.ErrRefused)
			require.ErrorIs(t, ungranted, transport.ErrRefused)
			require.Equal(t, tookUnknown, tookUngranted)
			require.Equal(t, 20*time.Millisecond, tookUnknown)
		}
		require.Empty(t, w.network.looked)
		require.Empty(t, w.network.dialed)
		require.Len(t, w.records, 6)
		require.EqualValues(t, "not_granted", w.records[1].Decision.Code, "the operator gets to know which it was")
		require.False(t, w.records[1].Address.IsValid())
	})
	bubble(t, "nor waited for when its tunneler gives up", func(t *testing.T) {
		w := in(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		took, err := w.attempt(ctx, "nothing")
		require.ErrorIs(t, err, transport.ErrRefused)
		require.Zero(t, took)
	})
	bubble(t, "and slowly after many", func(t *testing.T) {
		w := in(t)
		slow := 0
		for range 100 {
			if took, _ := w.attempt(t.Context(), "nothing"); took > time.Second {
				slow++
			}
		}
		require.Greater(t, slow, 20)
		w.grant("db", "10.0.0.5")
		took, err := w.attempt(t.Context(), "db")
		require.NoError(t, err)
		require.Zero(t, took, "what is granted is not slowed")
	})
}

// TestRefusalsOfATunnelerAreSlowTogether: it cannot look for what there is with many opens at once.
func TestRefusalsOfATunnelerAreSlowTogether(t *testing.T) {
	t.Parallel()
	const opens = 1000
	other := spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/other")
	// together is how long so many opens of a host take, by name of a tunneler.
	together := func(ctx context.Context, h *flow.Handler, id spiffeid.ID, host string) time.Duration {
		began := time.Now()
		var all sync.WaitGroup
		for range opens {
			all.Go(func() {
				f := transport.NewFlow(id, transport.Target{Host: host, Port: 1}, func(error) {})
				_, err := h.Open(ctx, f)
				h.Ended(f, transport.End{Reason: err})
			})
		}
		all.Wait()
		return time.Since(began)
	}
	handler := func(t *testing.T, w *rules, n *network) *flow.Handler {
		t.Helper()
		h, err := flow.New(flow.Config{Decider: w, Resolver: n, Dial: n.dial, Log: zap.NewNop()})
		require.NoError(t, err)
		return h
	}
	bubble(t, "and of another one they are not", func(t *testing.T) {
		h := handler(t, &rules{}, nil)
		done := make(chan time.Duration)
		go func() { done <- together(t.Context(), h, laptop, "x") }()
		synctest.Wait()
		began := time.Now()
		f := transport.NewFlow(other, transport.Target{Host: "x", Port: 1}, func(error) {})
		_, err := h.Open(t.Context(), f)
		require.ErrorIs(t, err, transport.ErrRefused)
		require.Equal(t, 20*time.Millisecond, time.Since(began))
		h.Ended(f, transport.End{})
		require.InDelta(t, (opens-50)/20, (<-done).Seconds(), 3)
	})
	bubble(t, "also where it is the address of a name that is refused", func(t *testing.T) {
		w := &rules{granted: map[string]access.Decision{"db": {Allowed: true, Code: "granted"}}}
		h := handler(t, w, &network{names: map[string][]string{"db": {"10.9.9.9"}}})
		require.InDelta(t, (opens-50)/20, together(t.Context(), h, laptop, "db").Seconds(), 3)
	})
	bubble(t, "but opens that were given up hold back none that come later", func(t *testing.T) {
		h := handler(t, &rules{}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.Equal(t, 2*time.Second, together(ctx, h, laptop, "x"))
		began := time.Now()
		f := transport.NewFlow(laptop, transport.Target{Host: "x", Port: 1}, func(error) {})
		_, err := h.Open(t.Context(), f)
		require.ErrorIs(t, err, transport.ErrRefused)
		require.LessOrEqual(t, time.Since(began), 1100*time.Millisecond)
		h.Ended(f, transport.End{})
	})
}

func TestTheAddressOfANameIsDecidedAgain(t *testing.T) {
	t.Parallel()
	bubble(t, "whoever writes DNS does not choose among what is protected", func(t *testing.T) {
		w := in(t)
		w.grant("app.dev", "10.9.9.9")
		_, err := w.attempt(t.Context(), "app.dev")
		require.ErrorIs(t, err, transport.ErrRefused)
		require.Empty(t, w.network.dialed)
		require.EqualValues(t, "address_not_granted", w.records[0].Decision.Code)
	})
	bubble(t, "only what is allowed is dialed of several", func(t *testing.T) {
		w := in(t)
		w.grant("app.dev", "127.0.0.1", "169.254.169.254", "10.9.9.9", "10.0.0.5")
		_, err := w.attempt(t.Context(), "app.dev")
		require.NoError(t, err)
		require.Equal(t, []string{"10.0.0.5"}, w.network.dialed)
		require.Equal(t, netip.MustParseAddrPort("10.0.0.5:5432"), w.records[0].Address)
	})
	bubble(t, "and dialed as it was decided, with one look-up", func(t *testing.T) {
		w := in(t)
		w.grant("db", "::ffff:10.0.0.5", "10.0.0.5")
		_, err := w.attempt(t.Context(), "db")
		require.NoError(t, err)
		require.Equal(t, []string{"db"}, w.network.looked)
		require.Equal(t, []string{"10.0.0.5"}, w.network.dialed)
		require.Equal(t, []string{"db", "10.0.0.5", "db", "10.0.0.5"}, w.rules.asked, "before, and once more when it is connected")
	})
	bubble(t, "without the interface that a hosts file names: with it, no prefix of a resource would hold it", func(t *testing.T) {
		w := in(t)
		w.grant("db", "fd00::5%eth0", "fd00::5%eth1", "10.9.9.9")
		_, err := w.attempt(t.Context(), "db")
		require.NoError(t, err)
		require.Equal(t, []string{"db", "fd00::5", "db", "fd00::5"}, w.rules.asked)
		require.Equal(t, []string{"fd00::5"}, w.network.dialed)
	})
	bubble(t, "an address as the target is itself", func(t *testing.T) {
		w := in(t)
		w.grant("10.0.0.5")
		_, err := w.attempt(t.Context(), "10.0.0.5")
		require.NoError(t, err)
		require.Empty(t, w.network.looked)
	})
	bubble(t, "a name has eight addresses at most", func(t *testing.T) {
		w := in(t)
		many := make([]string, 0, 100)
		for i := range 100 {
			many = append(many, netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}).String())
		}
		w.grant("db", many...)
		_, err := w.attempt(t.Context(), "db")
		require.ErrorIs(t, err, transport.ErrRefused)
		require.Len(t, w.rules.asked, 1+8)
	})
}

func TestARecordHasTheResourceAsItWas(t *testing.T) {
	t.Parallel()
	bubble(t, "also if it is gone when the flow ends", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		orders := access.Resource{ID: "db", NetworkID: "prod", Name: "Orders"}
		w.rules.resources = map[string]access.Resource{"db": orders}
		f, _, err := w.begin(t.Context(), "db")
		require.NoError(t, err)
		w.rules.resources = nil
		w.rules.withdraw("db")
		require.Equal(t, 1, w.Recheck())
		w.Ended(f, transport.End{Connected: true})
		require.Equal(t, orders, w.records[0].Resource)
	})
	bubble(t, "and none that its last decision does not name", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		w.rules.resources = map[string]access.Resource{"db": {ID: "db", Name: "Orders"}}
		f, _, err := w.begin(t.Context(), "db")
		require.NoError(t, err)
		w.rules.mu.Lock()
		w.rules.granted["db"] = access.Decision{Code: "no_resource"}
		w.rules.mu.Unlock()
		require.Equal(t, 1, w.Recheck())
		w.Ended(f, transport.End{Connected: true})
		require.Equal(t, access.Resource{}, w.records[0].Resource)
	})
}

func TestWhatIsGrantedFailsForItsOwnReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer error
		want   error
	}{
		"nothing listens":  {syscall.ECONNREFUSED, transport.ErrConnRefused},
		"no route":         {syscall.EHOSTUNREACH, transport.ErrUnreachable},
		"no network":       {syscall.ENETUNREACH, transport.ErrUnreachable},
		"filtered":         {errSilent, transport.ErrTimeout},
		"the kernel waits": {syscall.ETIMEDOUT, transport.ErrTimeout},
		"out of files":     {syscall.EMFILE, transport.ErrInternal},
	} {
		bubble(t, name, func(t *testing.T) {
			w := in(t)
			w.grant("db", "10.0.0.5")
			w.network.answers["10.0.0.5"] = c.answer
			took, err := w.attempt(t.Context(), "db")
			require.ErrorIs(t, err, c.want)
			require.LessOrEqual(t, took, 10*time.Second)
			require.Equal(t, netip.MustParseAddrPort("10.0.0.5:5432"), w.records[0].Address)
		})
	}
	bubble(t, "no such name", func(t *testing.T) {
		w := in(t)
		w.grant("db")
		_, err := w.attempt(t.Context(), "db")
		require.ErrorIs(t, err, transport.ErrName)
		w.network.names["db"] = []string{}
		_, err = w.attempt(t.Context(), "db")
		require.ErrorIs(t, err, transport.ErrName)
	})
	bubble(t, "a dead address leaves time for the next", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5", "10.0.0.6", "10.0.0.7")
		w.network.answers["10.0.0.5"], w.network.answers["10.0.0.6"] = errSilent, syscall.ECONNREFUSED
		took, err := w.attempt(t.Context(), "db")
		require.NoError(t, err)
		require.InDelta(t, 3.33, took.Seconds(), 0.01)
	})
}

func TestAChangeOfPolicyEndsTheFlowsThatItTouches(t *testing.T) {
	t.Parallel()
	bubble(t, "by the target", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		w.grant("web", "10.0.0.6")
		db, _, err := w.begin(t.Context(), "db")
		require.NoError(t, err)
		web, _, err := w.begin(t.Context(), "web")
		require.NoError(t, err)
		require.Zero(t, w.Recheck())
		w.rules.withdraw("db")
		require.Equal(t, 1, w.Recheck())
		require.Zero(t, w.Recheck(), "once")
		require.Len(t, w.cuts, 1)
		require.ErrorIs(t, w.cuts[0], transport.ErrRevoked)
		w.Ended(db, transport.End{Reason: w.cuts[0], Connected: true, Up: 1, Down: 2})
		require.EqualValues(t, "not_granted", w.records[0].Decision.Code)
		require.Equal(t, 1, w.Len())
		w.Ended(web, transport.End{Connected: true})
	})
	bubble(t, "by the address", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		f, _, err := w.begin(t.Context(), "db")
		require.NoError(t, err)
		w.rules.addresses["10.0.0.5"] = false
		require.Equal(t, 1, w.Recheck())
		w.Ended(f, transport.End{})
	})
	bubble(t, "while it is dialed", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5", "10.0.0.6")
		w.network.answers["10.0.0.5"] = errSilent
		done := make(chan error)
		go func() {
			_, err := w.attempt(t.Context(), "db")
			done <- err
		}()
		synctest.Wait()
		require.Equal(t, 1, w.Len())
		w.rules.withdraw("db")
		require.Equal(t, 1, w.Recheck(), "it is known before it is connected")
		require.ErrorIs(t, <-done, transport.ErrRefused)
	})
	bubble(t, "when the grant ends", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		d := w.rules.granted["db"]
		d.Until = time.Now().Add(time.Hour)
		w.rules.granted["db"] = d
		f, _, err := w.begin(t.Context(), "db")
		require.NoError(t, err)
		<-time.After(time.Hour - time.Second)
		w.rules.withdraw("db")
		require.Zero(t, w.cut())
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(t, 1, w.cut())
		w.Ended(f, transport.End{})
	})
	bubble(t, "and nothing asks about one that is over", func(t *testing.T) {
		w := in(t)
		w.grant("db", "10.0.0.5")
		d := w.rules.granted["db"]
		d.Until = time.Now().Add(time.Hour)
		w.rules.granted["db"] = d
		_, err := w.attempt(t.Context(), "db")
		require.NoError(t, err)
		w.rules.withdraw("db")
		require.Zero(t, w.Recheck())
		<-time.After(2 * time.Hour)
		synctest.Wait()
		require.Empty(t, w.cuts)
	})
}

func TestNoFlowReachesThisProgramItself(t *testing.T) {
	t.Parallel()
	w := in(t, func(c *flow.Config) { c.Own = []uint16{5432} })
	for _, a := range []string{"127.0.0.1", "::1"} {
		w.rules.addresses[a] = true
		w.grant(a)
		_, err := w.attempt(t.Context(), a)
		require.ErrorIs(t, err, transport.ErrRefused, a)
		require.Equal(t, access.AddressOwn, w.records[len(w.records)-1].Decision.Code)
	}
	require.Empty(t, w.network.dialed)
	w.grant("10.0.0.5")
	_, err := w.attempt(t.Context(), "10.0.0.5")
	require.NoError(t, err, "the port of another host is none of ours")
	w.rules.exact["127.0.0.1"] = true
	_, err = w.attempt(t.Context(), "127.0.0.1")
	require.NoError(t, err, "unless a resource names it")
}

func TestAHandlerNeedsADecider(t *testing.T) {
	t.Parallel()
	_, err := flow.New(flow.Config{Log: zap.NewNop()})
	require.Error(t, err)
}

func TestByDefaultAHandlerDialsTheNetworkOfThisHost(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	w := in(t, func(c *flow.Config) { c.Dial, c.Resolver = nil, nil })
	w.rules.addresses["127.0.0.1"] = true
	w.grant("127.0.0.1")
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	f := transport.NewFlow(laptop, transport.Target{Host: "127.0.0.1", Port: port}, func(error) {})
	conn, err := w.Open(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, l.Addr().String(), conn.RemoteAddr().String())
	require.NoError(t, conn.Close())
	w.Ended(f, transport.End{Connected: true, Up: 3, Down: 4})
	require.Equal(t, int64(3), w.records[0].Up)
	require.Equal(t, int64(4), w.records[0].Down)
	require.False(t, w.records[0].Ended.Before(w.records[0].Opened))
}

// TestWhatAResourceCanNameCanBeAskedFor, and nothing else: explain would else promise what no
// connector does.
func TestWhatAResourceCanNameCanBeAskedFor(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	for _, text := range []string{
		"db", "db.corp", "DB.corp.", "nas.3rd", "x.7f", "10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "fe80::1%eth0", "127.1", "0x7f.1", "x.0x7f", "x.0x", "x.0x7g", "x.010", "1",
		"a_b.corp", "_sip._tcp.corp", "-a.corp", "a-.corp", "a..b", ".", "", "a b", "b\u00fccher.corp", "*.corp", "x." + label, "x.a" + label,
		strings.Join([]string{label, label, label, label[:61]}, "."), strings.Join([]string{label, label, label, label[:62]}, "."), "10.0.0.0/8", "db:1",
	} {
		host, err := access.ParseHost(text)
		asked, refused := transport.NewTarget(host.String(), 1)
		if require.Equal(t, err == nil, refused == nil, text); err == nil {
			require.Equal(t, host.String(), asked.Host)
		}
		_, refused = transport.NewTarget(text, 1)
		require.False(t, err != nil && refused == nil, text)
	}
}
