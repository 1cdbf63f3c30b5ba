package metrics

import (
	"crypto/x509"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Identity is the part of mtls.Source that is exported.
type Identity interface {
	Status() mtls.SVIDStatus
	Swaps() mtls.Swaps
	Authorities() []*x509.Certificate
	Fault() error
}

// Identity exports the identity of the program, from its first SVID on.
func (r *Registry) Identity(id Identity) {
	r.Time("svid_not_after_timestamp_seconds", "When the X509-SVID in use expires, in seconds since 1970.", nil,
		func() time.Time { return id.Status().NotAfter })
	r.Time("svid_not_before_timestamp_seconds", "When the X509-SVID in use became valid, in seconds since 1970.", nil,
		func() time.Time { return id.Status().NotBefore })
	r.Counter("svid_swaps_total", "X509-SVIDs taken into use, the first included.", nil, func() uint64 { return id.Swaps().SVID })
	r.Counter("bundle_swaps_total", "Trust bundles taken into use, the first included.", nil, func() uint64 { return id.Swaps().Bundle })
	r.Gauge("bundle_authorities", "X.509 authorities in the trust bundle in use that have not expired.", nil,
		func() float64 { n, _ := valid(id.Authorities(), time.Now()); return float64(n) })
	r.Time("bundle_not_before_timestamp_seconds", "When the authority of the trust bundle that expires last became valid, in seconds since 1970.", nil,
		func() time.Time { _, last := valid(id.Authorities(), time.Now()); return last.NotBefore })
	r.Time("bundle_not_after_timestamp_seconds", "When the last authority in the trust bundle expires, in seconds since 1970.", nil,
		func() time.Time { _, last := valid(id.Authorities(), time.Now()); return last.NotAfter })
	r.Gauge("workload_api_up", "1 while the Workload API answers with our identity.", nil, func() float64 { return truth(id.Fault() == nil) })
}

// valid counts the authorities that have not expired, and returns the one that
// lasts longest, expired or not. SPIRE leaves an authority in the bundle for a day
// after its end; trusted it is no more.
func valid(authorities []*x509.Certificate, now time.Time) (n int, last *x509.Certificate) {
	last = &x509.Certificate{}
	for _, a := range authorities {
		if now.Before(a.NotAfter) {
			n++
		}
		if a.NotAfter.After(last.NotAfter) {
			last = a
		}
	}
	return n, last
}

// Connections exports those of a listener.
func (r *Registry) Connections(listener string, l *sourcelimit.Listener) {
	for state, read := range map[string]func() int{
		"anonymous":     func() int { _, anonymous := l.Open(); return anonymous },
		"authenticated": func() int { all, anonymous := l.Open(); return all - anonymous },
	} {
		r.Gauge("connections", "Connections that are open, by listener.", Labels{"listener": listener, "state": state}, func() float64 { return float64(read()) })
	}
	for _, reason := range sourcelimit.Reasons() {
		r.Counter("connections_limited_total", "Connections that were closed because of a limit, by listener.", Labels{"listener": listener, "reason": reason},
			func() uint64 { return l.Closed(reason) })
	}
}

// The links of a program: with a controller, and between tunneler and connector.
const (
	LinkControl = "control"
	LinkSession = "session"
)

// Reproofs exports the re-proofs of one kind of link.
func (r *Registry) Reproofs(link string, read func() reproof.Status) {
	for result, count := range map[string]func(reproof.Status) uint64{
		"accepted": func(s reproof.Status) uint64 { return s.Accepted },
		"held":     func(s reproof.Status) uint64 { return s.Held },
		"refused":  func(s reproof.Status) uint64 { return s.Refused },
	} {
		r.Counter("reproofs_total", "In-band proofs of peers by result; one that was held is accepted or refused later.",
			Labels{"link": link, "result": result}, func() uint64 { return count(read()) })
	}
	r.Counter("connections_cut_total", "Connections that this program closed for a reason: a refused or missing re-proof, a revocation.",
		Labels{"link": link}, func() uint64 { return read().Cut })
}

// Reconnects exports why the streams of one kind had to be opened again; the func
// it returns is a controlclient.Config.Ended.
func (r *Registry) Reconnects(stream string) func(reason string) {
	return r.Events(ByLabel{
		Name: "stream_reconnects_total", Help: "Attempts at a stream that failed, and streams that ended, by reason; another attempt follows each.",
		Fixed: Labels{"stream": stream}, Label: "reason", Values: controlclient.Reasons(),
	}).Add
}

// Connected exports whether the stream of a link that has one is open.
func (r *Registry) Connected(stream string, read func() bool) {
	r.Gauge("stream_connected", "1 while the stream is open and the peer has answered on it.", Labels{"stream": stream},
		func() float64 { return truth(read()) })
}
