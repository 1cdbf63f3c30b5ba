package denial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	// FileName of the denials in a state directory.
	FileName = "denials.json"
	// maxFile has room for Max entries of the longest ids that identity allows.
	maxFile = 8 << 20
)

// Config configures Open.
type Config struct {
	TrustDomain spiffeid.TrustDomain
	// StateDir keeps the denials over a restart; empty keeps them in memory only.
	StateDir string
	// Saved is called with whether the file could be written, each time. Optional.
	Saved func(file string, err error)
	// Genuine says whether the signature of an entry is the controller's; nil keeps no
	// signatures. It is asked once for each that is news, and must not block.
	Genuine func(Entry) bool
	// SaveAgain is how soon a file that could not be written is tried again.
	SaveAgain time.Duration
	Log       *zap.Logger
}

// Kept is a List that outlives the program.
type Kept struct {
	cfg  Config
	path string
	wake topic.Hint

	mu    sync.RWMutex
	list  List
	dirty bool
}

// file is denials.json. Fields that are not known are passed over. It holds no secret.
type file struct {
	Denials []kept `json:"denials"`
	// Everybody is the time before which all SVIDs are denied, for want of room.
	Everybody time.Time `json:"everybody_before,omitzero"`
}

type kept struct {
	SPIFFEID      string    `json:"spiffe_id"`
	SVIDNotBefore time.Time `json:"svid_not_before"`
	Signed        *signed   `json:"signed,omitempty"`
}

// signed is what the controller signed of a denial, with the id of the entry around it.
type signed struct {
	SVIDNotBefore time.Time `json:"svid_not_before"`
	Signature     []byte    `json:"signature"`
}

// Open loads what an earlier run kept. A file that cannot be read denies the SVIDs of
// all that it could have been about, those of before it was written: to damage it must
// not be a way to make this host forget.
func Open(cfg Config) *Kept {
	if cfg.Saved == nil {
		cfg.Saved = func(string, error) {}
	}
	k := &Kept{cfg: cfg, wake: topic.NewHint()}
	if cfg.StateDir == "" {
		return k
	}
	k.path = filepath.Join(cfg.StateDir, FileName)
	err := k.load(time.Now())
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return k
	}
	until := time.Now()
	if info, statErr := os.Stat(k.path); statErr == nil && info.ModTime().Add(ahead).Before(until) {
		until = info.ModTime().Add(ahead)
	}
	k.list.raise(until.UTC().Truncate(time.Second))
	k.dirty = true
	k.kick()
	cfg.Log.Error("kept denials not usable, all SVIDs of before the file was written are refused", zap.Time("before", until), zap.Error(err))
	return k
}

func (k *Kept) load(now time.Time) error {
	raw, err := atomicfile.Read(k.path, maxFile)
	if err != nil {
		return err
	}
	list, err := parseFile(raw, k.cfg.TrustDomain, now)
	if err != nil {
		return fmt.Errorf("%s: %w", k.path, err)
	}
	k.list = list
	return nil
}

var errEntry = errors.New("an entry that is no denial of this trust domain")

func parseFile(raw []byte, td spiffeid.TrustDomain, now time.Time) (l List, err error) {
	var f file
	if err := json.Unmarshal(raw, &f); err != nil {
		return l, err
	}
	for _, d := range f.Denials {
		e, ok := entry(d.SPIFFEID, td)
		if !ok {
			return l, errEntry
		}
		e.SVIDNotBefore = d.SVIDNotBefore
		l.Add(e, now)
		if d.Signed == nil {
			continue
		}
		e.SVIDNotBefore, e.Signature = d.Signed.SVIDNotBefore, signature(d.Signed.Signature)
		if l.wants(e) {
			l.keep(e)
		}
	}
	if last := now.Add(ahead); f.Everybody.After(last) {
		f.Everybody = last
	}
	l.raise(f.Everybody.UTC().Truncate(time.Second))
	return l, nil
}

// Take adds what a controller sent, and says whether anything is denied now that was
// not before. It acts at once; Run writes it.
func (k *Kept) Take(m *zerotrustv1.Denials) (more bool) {
	about, everybody := k.TakeEach(m)
	return everybody || len(about) > 0
}

// TakeEach is Take, and says about whom more is denied now; everybody where there was no
// room for each.
func (k *Kept) TakeEach(m *zerotrustv1.Denials) (about []spiffeid.ID, everybody bool) {
	entries, left := Parse(m, k.cfg.TrustDomain)
	if left > 0 {
		k.cfg.Log.Warn("denials left out, expected at most 128 of connectors and tunnelers", zap.Int("left_out", left))
	}
	now := time.Now()
	k.mu.Lock()
	defer k.mu.Unlock()
	dirty, floor := false, k.list.floor
	for _, e := range entries {
		if k.list.Add(e, now) {
			about = append(about, e.ID)
		}
		if k.cfg.Genuine != nil && k.list.wants(e) && k.cfg.Genuine(e) {
			k.list.keep(e)
			dirty = true
		}
	}
	if len(about) > 0 || dirty {
		k.dirty = true
		k.kick()
	}
	return about, k.list.floor.After(floor)
}

// Since lists the denials with a signature that are later than what a controller has,
// the newest first.
func (k *Kept) Since(has map[spiffeid.ID]time.Time) []Entry {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.list.since(has, time.Now())
}

// Before is as that of the List.
func (k *Kept) Before(id spiffeid.ID) time.Time {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.list.Before(id)
}

// Denies is as that of the List.
func (k *Kept) Denies(id spiffeid.ID, svidNotBefore time.Time) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.list.Denies(id, svidNotBefore)
}

// Run writes the denials as they change, until ctx ends, and once more then.
func (k *Kept) Run(ctx context.Context) error {
	defer k.save(false)
	failed := false
	for {
		failed = k.save(failed)
		again := time.NewTimer(k.cfg.SaveAgain)
		if !failed {
			again.Stop()
		}
		select {
		case <-k.wake:
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil
		}
		again.Stop()
	}
}

// save says whether a write is still owed. It holds no lock while it writes.
func (k *Kept) save(failed bool) (owed bool) {
	k.mu.Lock()
	dirty, f := k.dirty, file{Denials: []kept{}, Everybody: k.list.floor}
	if dirty {
		for _, e := range k.list.sorted(time.Now()) {
			one := kept{SPIFFEID: e.ID.String(), SVIDNotBefore: e.SVIDNotBefore}
			if s, ok := k.list.signed[e.ID]; ok {
				one.Signed = &signed{SVIDNotBefore: s.SVIDNotBefore, Signature: s.Signature}
			}
			f.Denials = append(f.Denials, one)
		}
	}
	k.dirty = false
	k.mu.Unlock()
	if !dirty || k.path == "" {
		return false
	}
	raw, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = atomicfile.Write(k.path, append(raw, '\n'), 0o600)
	}
	k.cfg.Saved(FileName, err)
	if err == nil {
		return false
	}
	if !failed {
		k.cfg.Log.Warn("denials not kept, a restart without a controller forgets the newest", zap.Error(err))
	}
	k.mu.Lock()
	k.dirty = true
	k.mu.Unlock()
	return true
}

func (k *Kept) kick() {
	k.wake.Wake()
}
