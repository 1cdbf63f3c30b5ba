package mtls

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// watchCap bounds every wait for the Workload API. go-spiffe's own back-off is
// linear to 30 s, which would keep a host OFFLINE long after its agent is back.
const watchCap = 2 * time.Second

// ErrNoSVID is returned while the Workload API has not issued the configured
// SPIFFE ID yet.
var ErrNoSVID = errors.New("no X509-SVID yet")

// SourceConfig configures Open.
type SourceConfig struct {
	// Socket is the Workload API address, e.g. "unix:///run/spire-agent/public/api.sock".
	Socket string
	// ID is the only SPIFFE ID that is ever used.
	ID  spiffeid.ID
	Log *zap.Logger
}

// Source serves the newest X509-SVID of one SPIFFE ID and the newest bundles. It
// implements x509svid.Source and x509bundle.Source.
//
// It follows workloadapi.Client itself rather than through X509Source, because
// X509Source ends its watch for good when the agent answers CANCELED once, and
// hides the errors that readiness has to report (docs/adr/0002).
type Source struct {
	id     spiffeid.ID
	log    *zap.Logger
	client *workloadapi.Client
	cancel context.CancelFunc
	done   chan struct{}
	ready  chan struct{}

	mu      sync.RWMutex
	svid    *x509svid.SVID
	bundles *x509bundle.Set
	fault   error
	closing bool
	swaps   Swaps

	watchers, trusting topic.Topic[struct{}] // of the SVID, of the bundle
}

// Open waits for the Workload API socket and for the first SVID of cfg.ID. The
// wait ends with ctx; the source then lives until Close.
func Open(ctx context.Context, cfg SourceConfig) (*Source, error) {
	if err := waitForSocket(ctx, cfg.Socket, cfg.Log); err != nil {
		return nil, err
	}
	client, err := workloadapi.New(ctx,
		workloadapi.WithAddr(cfg.Socket),
		workloadapi.WithBackoffStrategy(watchBackoff{}),
		workloadapi.WithDialOptions(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: watchCap},
		})))
	if err != nil {
		return nil, fmt.Errorf("open Workload API %s: %w", cfg.Socket, err)
	}
	watchCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &Source{
		id: cfg.ID, log: cfg.Log, client: client, cancel: cancel,
		done: make(chan struct{}), ready: make(chan struct{}),
		fault: ErrNoSVID,
	}
	go s.watch(watchCtx) // joined by Close
	select {
	case <-s.ready:
		return s, nil
	case <-ctx.Done():
		fault := s.Fault()
		s.Close()
		return nil, fmt.Errorf("wait for the X509-SVID of %s at %s: %w: %w: check that this host is enrolled for it, "+
			"and that this is the program, user and unit that enrolled", cfg.ID, cfg.Socket, ctx.Err(), fault)
	}
}

// Close ends the watch and waits for it.
func (s *Source) Close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.cancel()
	<-s.done
	_ = s.client.Close()
}

// watch follows the Workload API until Close. WatchX509Context gives up on some
// status codes; whatever the reason, it is started again.
func (s *Source) watch(ctx context.Context) {
	defer close(s.done)
	wait := watchBackoff{}.NewBackoff()
	for ctx.Err() == nil {
		_ = s.client.WatchX509Context(ctx, s)
		select {
		case <-time.After(wait.Next()):
		case <-ctx.Done():
		}
	}
}

// OnX509ContextUpdate implements workloadapi.X509ContextWatcher: the hot swap. From now on
// GetX509SVID returns the new SVID.
func (s *Source) OnX509ContextUpdate(x *workloadapi.X509Context) {
	var picked *x509svid.SVID
	for _, svid := range x.SVIDs {
		if svid.ID == s.id && (picked == nil || svid.Certificates[0].NotAfter.After(picked.Certificates[0].NotAfter)) {
			picked = svid
		}
	}
	s.mu.Lock()
	retrusted := s.swapBundles(x.Bundles)
	first := s.svid == nil && picked != nil
	swapped := picked != nil && (s.svid == nil || !s.svid.Certificates[0].Equal(picked.Certificates[0]))
	if picked == nil {
		// Keep what we have until it expires: an answer without our ID is an
		// operator's mistake or a moment of SPIRE's, never a revocation.
		s.fault = fmt.Errorf("the Workload API issued %d SVIDs, none for %s", len(x.SVIDs), s.id)
	} else {
		s.svid, s.fault = picked, nil
	}
	if swapped {
		s.swaps.SVID++
		s.watchers.Wake()
	}
	fault := s.fault
	s.mu.Unlock()

	if fault != nil {
		s.log.Warn("workload api answered without our identity", zap.Error(fault))
	}
	if retrusted {
		s.log.Info("trust bundle swapped", zap.Stringer("trust_domain_id", s.id.TrustDomain()), zap.Strings("authority_ids", s.AuthorityIDs()))
	}
	if swapped {
		st := s.Status()
		s.log.Info("x509-svid swapped", zap.Stringer("spiffe_id", s.id), zap.String("serial", st.Serial),
			zap.String("authority_id", st.AuthorityID), zap.Time("not_after", st.NotAfter))
	}
	if first {
		close(s.ready)
	}
}

// OnX509ContextWatchError implements workloadapi.X509ContextWatcher. No error
// takes the SVID away, PermissionDenied included: SPIRE also answers that for a
// second while an authority is tainted.
func (s *Source) OnX509ContextWatchError(err error) {
	s.mu.Lock()
	news := !s.closing && (s.fault == nil || s.fault.Error() != err.Error())
	s.fault = err
	s.mu.Unlock()
	if news { // one line a reason: an agent that is away for a day is asked every 2 s
		s.log.Warn("workload api watch failed, retrying", zap.Error(err))
	}
}

// GetX509SVID implements x509svid.Source. What ServerConfig and ClientConfig make calls it
// for each handshake.
func (s *Source) GetX509SVID() (*x509svid.SVID, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.svid == nil {
		return nil, ErrNoSVID
	}
	return s.svid, nil
}

// GetX509BundleForTrustDomain implements x509bundle.Source.
func (s *Source) GetX509BundleForTrustDomain(td spiffeid.TrustDomain) (*x509bundle.Bundle, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.bundles == nil {
		return nil, ErrNoSVID
	}
	return s.bundles.GetX509BundleForTrustDomain(td)
}

// Subscribe returns a channel that gets a value after each swap (a slow reader
// misses intermediate ones, never the last) and a function that ends it.
func (s *Source) Subscribe() (<-chan struct{}, func()) { return s.watchers.Subscribe() }

// ID is the configured SPIFFE ID.
func (s *Source) ID() spiffeid.ID { return s.id }

// Fault is why the Workload API gives us nothing new at the moment, or nil. The
// SVID in use may still be good.
func (s *Source) Fault() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.fault
}

// SVIDStatus describes the SVID in use.
type SVIDStatus struct {
	Serial      string // hexadecimal
	AuthorityID string // authority key id, hexadecimal
	identity.Issue
	NotAfter time.Time
}

// Status describes the SVID in use; zero before the first one.
func (s *Source) Status() SVIDStatus {
	svid, err := s.GetX509SVID()
	if err != nil {
		return SVIDStatus{}
	}
	return Describe(svid.Certificates[0])
}

// Swaps counts what was taken into use since the start, the first ones included.
// Each has its line in the log.
type Swaps struct {
	SVID   uint64
	Bundle uint64 // of our trust domain, with other authorities than before
}

// Swaps may be called at any time.
func (s *Source) Swaps() Swaps {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.swaps
}

// Describe returns the status of a leaf certificate.
func Describe(leaf *x509.Certificate) SVIDStatus {
	return SVIDStatus{
		Serial:      leaf.SerialNumber.Text(16),
		AuthorityID: hex.EncodeToString(leaf.AuthorityKeyId),
		Issue:       identity.IssueOf(leaf),
		NotAfter:    leaf.NotAfter,
	}
}

// Authorities lists our trust domain's authorities; none before the first bundle.
func (s *Source) Authorities() []*x509.Certificate {
	b, err := s.GetX509BundleForTrustDomain(s.id.TrustDomain())
	if err != nil {
		return nil
	}
	return b.X509Authorities()
}

// AuthorityIDs lists the subject key ids of Authorities.
func (s *Source) AuthorityIDs() []string {
	authorities := s.Authorities()
	if authorities == nil {
		return nil
	}
	ids := make([]string, 0, len(authorities))
	for _, a := range authorities {
		ids = append(ids, hex.EncodeToString(a.SubjectKeyId))
	}
	return ids
}

// watchBackoff is exponential from 100 ms to watchCap with jitter over its upper
// half, so that the workloads of a host do not ask in step.
type watchBackoff struct{}

// NewBackoff implements workloadapi.BackoffStrategy.
func (watchBackoff) NewBackoff() workloadapi.Backoff {
	return &watchDelay{next: 100 * time.Millisecond}
}

type watchDelay struct{ next time.Duration }

// Next implements workloadapi.Backoff.
func (d *watchDelay) Next() time.Duration {
	now := d.next
	d.next = min(2*d.next, watchCap)
	return now/2 + rand.N(now/2) //nolint:gosec // spreads load, protects nothing
}

// Reset implements workloadapi.Backoff.
func (d *watchDelay) Reset() { d.next = 100 * time.Millisecond }
