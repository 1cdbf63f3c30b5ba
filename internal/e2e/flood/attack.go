package flood

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Attack is what one process does to the enrollment listener.
type Attack struct {
	Target      string // host:port
	CA          string // PEM file of the bootstrap CA
	TrustDomain string
	From        []string // loopback addresses, in turn

	Silent  int           // connections that say nothing
	Shaken  int           // connections that shake hands, say hello in HTTP/2 and no more
	Refresh time.Duration // between two new connections, once all were opened
	Resets  int           // streams that are opened and reset
	Calls   time.Duration // how long tokens of no controller are tried
	Callers int
}

// Done is what an Attack did.
type Done struct {
	Opened, Reset, Calls, Connections int64
}

// attack is a running one.
type attack struct {
	Attack

	tls   *tls.Config
	turn  atomic.Int64
	mu    sync.Mutex
	held  []net.Conn
	count struct{ opened, reset, calls, connections atomic.Int64 }
}

// atMost bounds an attack that makes no progress.
const atMost = 3 * time.Minute

// Main is the attacker: an Attack as JSON in, Done as JSON out once it has ended. When
// all of it is done it holds its connections, and renews them, until in ends.
func Main(ctx context.Context, arg string, in io.Reader, out io.Writer) error {
	a := &attack{}
	if err := json.Unmarshal([]byte(arg), &a.Attack); err != nil {
		return err
	}
	if err := yieldCores(); err != nil {
		return err
	}
	pem, err := os.ReadFile(a.CA)
	if err != nil {
		return err
	}
	anchors := x509.NewCertPool()
	anchors.AppendCertsFromPEM(pem)
	td, err := spiffeid.TrustDomainFromString(a.TrustDomain)
	if err != nil {
		return err
	}
	a.tls = bootstrap.ClientConfig(anchors, td, nil)
	a.tls.NextProtos = []string{"h2"}
	ctx, giveUp := context.WithTimeout(ctx, atMost)
	defer giveUp()
	hold, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	a.run(ctx, hold)
	for _, c := range a.held {
		if c != nil { // the others were cut in their handshake
			_ = c.Close()
		}
	}
	return json.NewEncoder(out).Encode(Done{
		Opened: a.count.opened.Load(), Reset: a.count.reset.Load(), Calls: a.count.calls.Load(), Connections: a.count.connections.Load(),
	})
}

// yieldCores gives the CPU time of this process to all others: an attacker has another
// machine. It has a session of its own, which is what the kernel shares cores among; the
// priority that it was started with counts where the kernel does not group by session.
func yieldCores() error {
	err := os.WriteFile("/proc/self/autogroup", []byte("19"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (a *attack) run(ctx, hold context.Context) {
	var g sync.WaitGroup
	defer g.Wait()
	g.Go(func() { a.connections(ctx, hold) })
	g.Go(func() { a.resets(ctx) })
	until, cancel := context.WithTimeout(ctx, a.Calls)
	context.AfterFunc(until, cancel)
	for range a.Callers {
		g.Go(func() { a.calls(until) })
	}
}

// dial connects from the next address.
func (a *attack) dial(ctx context.Context) (net.Conn, error) {
	from := a.From[int(a.turn.Add(1))%len(a.From)]
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	c, err := d.DialContext(ctx, "tcp", a.Target)
	if err == nil || errors.Is(err, unix.ECONNRESET) { // it was there, and cut at once
		a.count.connections.Add(1)
	}
	return c, err
}

// hello is a connection that has negotiated HTTP/2.
func (a *attack) hello(ctx context.Context) (net.Conn, error) {
	raw, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(raw, a.tls)
	if err = c.HandshakeContext(ctx); err == nil {
		_, err = c.Write(Hello())
	}
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return c, nil
}

// connections opens and holds them, and then renews them one by one.
func (a *attack) connections(ctx, hold context.Context) {
	total := a.Silent + a.Shaken
	if total == 0 {
		<-hold.Done()
		return
	}
	a.held = make([]net.Conn, total)
	var next atomic.Int64
	open := func(i int) {
		dial := a.dial
		if i%total >= a.Silent {
			dial = a.hello
		}
		c, err := dial(ctx)
		if err != nil {
			return
		}
		a.mu.Lock()
		older := a.held[i%total]
		a.held[i%total] = c
		a.mu.Unlock()
		if older != nil {
			_ = older.Close()
		}
		if i < total {
			a.count.opened.Add(1)
		}
	}
	var g sync.WaitGroup
	for range 16 {
		g.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= total {
					return
				}
				open(i)
			}
		})
	}
	g.Wait()
	tick := time.NewTicker(a.Refresh)
	defer tick.Stop()
	for i := total; ; i++ {
		select {
		case <-tick.C:
			open(i)
		case <-hold.Done():
			return
		}
	}
}

// resets takes a new connection when one is cut.
func (a *attack) resets(ctx context.Context) {
	for ctx.Err() == nil && a.count.reset.Load() < int64(a.Resets) {
		c, err := a.hello(ctx)
		if err != nil {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		for id := uint32(1); a.count.reset.Load() < int64(a.Resets) && ctx.Err() == nil; id += 2 {
			if _, err := c.Write(append(Headers(id, zerotrustv1.EnrollmentService_Enroll_FullMethodName), Reset(id)...)); err != nil {
				break
			}
			a.count.reset.Add(1)
		}
		_ = c.Close()
	}
}

// calls tries tokens that nobody made.
func (a *attack) calls(ctx context.Context) {
	config := a.tls.Clone()
	config.NextProtos = nil // gRPC's own
	conn, err := grpc.NewClient("passthrough:///"+a.Target, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return a.dial(ctx) }))
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	api := zerotrustv1.NewEnrollmentServiceClient(conn)
	csr, err := request()
	if err != nil {
		return
	}
	for i := 0; ctx.Err() == nil; i++ {
		_, _ = api.Enroll(ctx, &zerotrustv1.EnrollRequest{
			Token: keys.NewSecret("ztc_"), Kind: zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR, Id: fmt.Sprintf("c-%d", i), Csr: csr,
			Host: &zerotrustv1.HostFacts{BinaryPath: "/usr/bin/grpcconnector", Uid: 1000, Hostname: "flood"},
		})
		a.count.calls.Add(1)
	}
}

// request is one that a controller would sign.
func request() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}
