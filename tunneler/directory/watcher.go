package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Identity is the part of mtls.Source that the watch needs.
type Identity interface {
	mtls.Identity
	Subscribe() (<-chan struct{}, func())
}

// Reach takes what the controller says that the tunneler may reach.
type Reach interface {
	// Begin is called when a stream begins.
	Begin()
	// Take takes a part. taken says that it was the last one; void entries were left out.
	Take(m *zerotrustv1.ReachUpdate) (taken bool, void int, err error)
}

// Config configures a Watcher.
type Config struct {
	// ID of this tunneler, as in its SVID.
	ID          string
	TrustDomain spiffeid.TrustDomain
	Version     string
	Identity    Identity
	// ControlAddresses of the controllers, host:port, as configured. What controllers
	// name themselves is tried after them.
	ControlAddresses []string
	// StateDir keeps the directory over a restart; empty keeps it in memory only.
	StateDir string
	// Saved is called with whether a file of StateDir could be written, each time. Optional.
	Saved func(file string, err error)
	// SaveAgain is how soon a directory that could not be written is tried again; 10 s.
	SaveAgain time.Duration
	// AgentSocket is the file of the Workload API; empty when the SPIRE agent's start
	// is not to be sent.
	AgentSocket string
	// Ended is a controlclient.Config.Ended. Optional.
	Ended func(reason string)
	// Reach is optional.
	Reach Reach
	Log   *zap.Logger
	// ReportEvery is how often refused proofs are reported to the controller; 10 s.
	ReportEvery time.Duration
}

// Watcher follows the directory.
type Watcher struct {
	cfg      Config
	instance string
	client   *controlclient.Client
	prover   *reproof.Client
	unproven reproof.Reports
	denied   *denial.Kept
	timeline *timeline.Host
	unkick   func()
	changed  topic.Hint

	saving    sync.Mutex // held while the disk is written
	warned    bool       // under saving: that the last write failed was logged
	saveAfter time.Time  // under saving: when the next write may begin

	mu      sync.Mutex
	set     *delta.Set[listed] // as received or loaded
	current Directory          // made of it
	astray  error              // why the controller's timeline is not followed
	refused uint64             // revision of an older directory that was refused last; 0 if it was taken
	live    bool               // current came from a controller, not from the disk
	unsaved bool               // set is not on the disk
	// standing says that the controller confirms current on the watch that is open.
	standing bool
}

// New loads the directory that an earlier run or the enrollment kept.
func New(cfg Config) (*Watcher, error) {
	if cfg.Identity == nil || cfg.Log == nil {
		return nil, errors.New("directory needs Identity and Log")
	}
	if cfg.Saved == nil {
		cfg.Saved = func(string, error) {}
	}
	if cfg.SaveAgain == 0 {
		cfg.SaveAgain = 10 * time.Second
	}
	w := &Watcher{cfg: cfg, instance: controlclient.ProgramStart(), changed: topic.NewHint(), set: entries(), prover: reproof.NewClient(cfg.Identity, cfg.Log.Named("reproof"))}
	w.prover.OnRefusal(w.unproven.Add)
	w.denied = denial.Open(denial.Config{
		TrustDomain: cfg.TrustDomain, StateDir: cfg.StateDir, Saved: cfg.Saved, SaveAgain: cfg.SaveAgain, Log: cfg.Log.Named("denials"),
	})
	w.timeline = timeline.Open(timeline.HostConfig{
		TrustDomain: cfg.TrustDomain.Name(), StateDir: cfg.StateDir, Reset: "grpctunneler directory reset --yes", Saved: cfg.Saved, Log: cfg.Log.Named("timeline"),
	})
	keptAt := w.loadKept()
	kick, unkick := cfg.Identity.Subscribe()
	w.unkick = unkick
	var err error
	w.client, err = controlclient.New(controlclient.Config{
		Addresses: cfg.ControlAddresses,
		Learned:   controlclient.Learned{Addresses: w.current.ControlAddresses, ConfirmedAt: keptAt},
		TLS:       mtls.ClientConfig(cfg.Identity, mtls.Kinds(cfg.TrustDomain, identity.KindController)),
		Serve:     w.serve,
		Reproof:   w.prover.Around,
		// A message over its receiver's cap would end every stream it is sent on.
		MaxMessage: wire.MaxFromController,
		Kick:       kick,
		Ended:      cfg.Ended,
		Log:        cfg.Log,
	})
	if err != nil {
		unkick()
		return nil, err
	}
	return w, nil
}

// loadKept returns when a controller last confirmed what was kept.
func (w *Watcher) loadKept() (confirmedAt time.Time) {
	if w.cfg.StateDir == "" {
		return time.Time{}
	}
	kept, confirmedAt, err := load(w.cfg.StateDir)
	if err != nil {
		w.cfg.Log.Warn("stored directory not used", zap.Error(err))
		return time.Time{}
	}
	if kept != nil {
		w.take(kept)
	}
	return confirmedAt
}

// Run follows until ctx ends, and returns nil then.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.unkick()
	defer w.save(true)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.client.Run(ctx) })
	g.Go(func() error { return w.saveAgain(ctx) })
	g.Go(func() error { return w.denied.Run(ctx) })
	return g.Wait()
}

// saveAgain writes what could not be written, until ctx ends.
func (w *Watcher) saveAgain(ctx context.Context) error {
	t := time.NewTicker(w.cfg.SaveAgain)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.save(false)
		case <-ctx.Done():
			return nil
		}
	}
}

// Writing takes the longer the more connectors there are, so there is a rest after a
// write for so many times as long as it took, and at most this long.
const (
	saveShare   = 20
	maxSaveWait = time.Minute
)

// save writes a directory that is not on the disk, unless one was written a moment ago.
// It holds no lock of sessions while it does: a disk that hangs must not keep them from
// the directory.
func (w *Watcher) save(now bool) {
	w.saving.Lock()
	defer w.saving.Unlock()
	if !now && time.Now().Before(w.saveAfter) {
		return
	}
	w.mu.Lock()
	if !w.unsaved {
		w.mu.Unlock()
		return
	}
	d := w.kept()
	w.unsaved = false
	w.mu.Unlock()
	began := time.Now()
	err := Store(w.cfg.StateDir, d)
	w.saveAfter = time.Now().Add(min(saveShare*time.Since(began), maxSaveWait))
	w.cfg.Saved(cacheFile, err)
	if err == nil {
		w.warned = false
		return
	}
	if !w.warned {
		w.cfg.Log.Warn("directory not stored: after a restart without a controller there is no directory", zap.Error(err))
	}
	w.warned = true
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaved = true
}

// Current is the newest directory. It must not be changed.
func (w *Watcher) Current() Directory {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// Status is the state of a Watcher at a moment.
type Status struct {
	Connected bool
	Revision  uint64 // of the newest directory
	// Live says that it came from a controller in this run, not from the disk.
	Live bool
	// Timeline that is followed; TimelineStopped says that two statements began it.
	Timeline        uint64
	TimelineStopped bool
	Control         controlclient.Status
	Reproofs        reproof.Status
}

// Status may be called at any time.
func (w *Watcher) Status() Status {
	control := w.client.Status()
	w.mu.Lock()
	revision, live := w.current.Revision, w.live
	w.mu.Unlock()
	kept, stopped := w.Timeline()
	return Status{
		Connected: control.Connected, Revision: revision, Live: live, Timeline: kept.Number, TimelineStopped: stopped,
		Control: control, Reproofs: w.prover.Status(),
	}
}

// Explain says how the directory is while it is ready, for /readyz.
func (w *Watcher) Explain() string {
	st := w.Status()
	return fmt.Sprintf("revision %d, connected to %s since %s", st.Revision, st.Control.Address, st.Control.Since.UTC().Format(time.RFC3339))
}

// Changed gets a value after each change, and one for a directory from disk. It
// has one reader.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Ready is the readiness check: a directory from disk is usable, and reported.
func (w *Watcher) Ready(context.Context) error {
	w.mu.Lock()
	revision, live, refused, astray := w.current.Revision, w.live, w.refused, w.astray
	w.mu.Unlock()
	st := w.client.Status()
	if err := cmp.Or(w.timeline.Stopped(), astray); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("the controller's directory is older than the one in use (revision %d, in use is %d): "+
			"if the controller was restored on purpose, restart grpctunneler on this host as root", refused, revision)
	}
	if st.Connected {
		return nil
	}
	reason := fmt.Errorf("connecting to the controller at %s", st.Address)
	if st.LastError != nil {
		reason = fmt.Errorf("no controller since %s, last tried %s: %w", st.Since.UTC().Format(time.RFC3339), st.Address, st.LastError)
	}
	switch {
	case live:
		return reason
	case revision > 0:
		return fmt.Errorf("using the directory stored on disk (revision %d): %w", revision, reason)
	default:
		return fmt.Errorf("no directory yet: %w", reason)
	}
}

// serve is one watch, from its request to its end.
func (w *Watcher) serve(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	stream, err := zerotrustv1.NewDirectoryServiceClient(conn).Watch(ctx, &zerotrustv1.WatchRequest{
		TunnelerId: w.cfg.ID, Version: wire.Clip(w.cfg.Version, wire.MaxLabel),
		InstanceId: w.instance, BootId: controlclient.KernelStart(), AgentStart: controlclient.AgentStart(ctx, w.cfg.AgentSocket),
		Protocol: wire.Protocol, Directory: w.position(),
	})
	if err != nil {
		return err
	}
	if w.cfg.Reach != nil {
		w.cfg.Reach.Begin()
	}
	defer w.confirm()
	defer w.reporting(ctx, conn)()
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the controller closed the directory stream")
		}
		if err != nil {
			return err
		}
		if m := msg.GetTimeline(); m != nil {
			w.follow(m)
		}
		if denials := msg.GetDenials(); denials != nil {
			w.deny(denials)
		}
		if m := msg.GetReach(); m != nil {
			w.reaches(m)
		}
		d := msg.GetDirectory()
		if d == nil {
			continue
		}
		d.ControlPlaneAddresses = controlclient.Acceptable(d.GetControlPlaneAddresses(), remote(stream.Context())) //nolint:contextcheck // it knows the connection
		if err := w.update(d); err != nil {
			return err
		}
		established()
		if w.strays() {
			continue
		}
		if known := w.Current().ControlAddresses; len(known) > 0 {
			w.client.Learn(known)
		}
	}
}

// reaches passes on what may be reached. It decides nothing, so that a list that is not
// understood is no reason to leave the controller.
func (w *Watcher) reaches(m *zerotrustv1.ReachUpdate) {
	if w.cfg.Reach == nil {
		return
	}
	taken, void, err := w.cfg.Reach.Take(m)
	switch {
	case err != nil:
		w.cfg.Log.Warn("list of what is reachable not taken", zap.Error(err))
	case taken && void > 0:
		w.cfg.Log.Warn("entries of what is reachable left out: is this program older than its controller?", zap.Int("entries", void))
	}
}

// position begins a watch: it is what is here.
func (w *Watcher) position() *zerotrustv1.Position {
	w.timeline.Stream()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.astray, w.standing = nil, false
	w.set.Stream()
	at := w.set.Position()
	return &zerotrustv1.Position{Timeline: at.Timeline, At: at.At, Digest: at.Digest.Bytes()}
}

// remote is the peer's socket address, nil if there is none.
func remote(ctx context.Context) net.Addr {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr
	}
	return nil
}

// confirm notes on disk that a controller confirmed the directory until now.
func (w *Watcher) confirm() {
	w.mu.Lock()
	live := w.live
	w.mu.Unlock()
	if live && w.cfg.StateDir != "" {
		touch(w.cfg.StateDir)
	}
}
