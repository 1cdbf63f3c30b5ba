package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// errAnew ends a watch whose last message did not lead on from what is here. The next
// one begins with what that is.
var errAnew = errors.New("the directory that came does not lead on from the one in use; asking for all of it")

// take takes what was kept on the disk.
func (w *Watcher) take(kept *zerotrustv1.Directory) {
	all, err := parse(kept.GetConnectors(), w.cfg.TrustDomain)
	if err != nil {
		w.cfg.Log.Warn("directory entries that are not connectors ignored", zap.Error(err))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	at := kept.GetRevision()
	if kept.GetPartial() {
		at = 0 // nobody can lead on from there
	}
	w.set.Restore(kept.GetTimeline(), at, all)
	w.timeline.Begin(kept.GetTimeline())
	w.current = Directory{Revision: kept.GetRevision(), Connectors: w.rebuilt(), ControlAddresses: addresses(kept.GetControlPlaneAddresses())}
	w.wakeSessions()
}

// update takes a message of the controller. Over a directory that a controller sent in
// this run, only the same or a newer one counts: a controller that lags behind must not
// undo another's news. One from disk yields to any: its controller may be a new one. An
// error ends the watch.
func (w *Watcher) update(in *zerotrustv1.DirectoryUpdate) error {
	upserts, err := parse(in.GetUpserts(), w.cfg.TrustDomain)
	if err != nil {
		w.cfg.Log.Warn("directory entries that are not connectors ignored", zap.Error(err))
	}
	h := in.GetHeader()
	if !w.follows(h.GetTimeline()) {
		return w.anew()
	}
	part := delta.Part[listed]{
		Timeline: h.GetTimeline(), From: h.GetFrom(), To: h.GetTo(), Part: h.GetPart(), Parts: h.GetParts(), Digest: h.GetDigest(),
		Removals: in.GetRemovals(), Upserts: upserts,
	}
	changed, taken, err := w.apply(part, addresses(in.GetControlPlaneAddresses()))
	if taken {
		w.timeline.Taken(part.Timeline)
	}
	if changed {
		w.save(false)
	}
	return err
}

// apply reports whether the directory changed, and whether the controller confirms it
// now.
func (w *Watcher) apply(part delta.Part[listed], control []string) (changed, taken bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Of another timeline is only what a statement began, or what comes first.
	if part.From == 0 && part.Part == 1 && (!w.live || part.Timeline != w.set.Position().Timeline) {
		w.set.Forget()
	}
	before := w.set.Position().Digest
	r, err := w.set.Take(part)
	switch {
	case errors.Is(err, delta.ErrOlder):
		if w.standing {
			return false, false, errAnew
		}
		w.refused = part.To
		w.cfg.Log.Warn("older directory refused", zap.Uint64("revision", part.To))
		return false, false, nil
	case err != nil:
		return false, false, fmt.Errorf("directory of the controller: %w", err)
	}
	moved := w.move(r)
	if r.Outcome == delta.Ask {
		err = errAnew
	}
	if r.Outcome != delta.Applied {
		changed = moved
	} else {
		at := w.set.Position()
		taken = true
		changed = moved || !w.live || at.Digest != before || at.At != w.current.Revision || !slices.Equal(control, w.current.ControlAddresses)
		w.current.Revision, w.current.ControlAddresses, w.live, w.refused, w.standing = at.At, control, true, 0, true
	}
	w.unsaved = w.unsaved || changed && w.cfg.StateDir != ""
	if moved {
		w.cfg.Log.Info("directory applied", zap.Uint64("revision", w.current.Revision), zap.Int("connectors", len(w.current.Connectors)))
		w.wakeSessions()
	}
	return changed, taken, err
}

// anew is errAnew if the controller of this watch has said before what is in use: what it
// says now is not its word, and a controller that has nothing new is silent for minutes.
// One that says so from the begin is refused for as long as it is there.
func (w *Watcher) anew() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.standing {
		return errAnew
	}
	return nil
}

// wakeSessions has the sessions look again.
func (w *Watcher) wakeSessions() {
	w.changed.Wake()
}

// move brings the list up to what the set is after r, and says whether that differs for
// a session. It needs the lock.
func (w *Watcher) move(r delta.Result[listed]) (moved bool) {
	if r.Whole {
		next := w.rebuilt()
		moved = !slices.EqualFunc(w.current.Connectors, next, Connector.equal)
		w.current.Connectors = next
		return moved
	}
	if len(r.Removed)+len(r.Upserted) == 0 {
		return false
	}
	gone := map[string]bool{}
	for _, key := range r.Removed {
		gone[key] = true
	}
	for _, l := range r.Upserted {
		gone[l.raw.GetSpiffeId()] = l.void
	}
	next := slices.DeleteFunc(slices.Clone(w.current.Connectors), func(c Connector) bool { return gone[c.SPIFFEID.String()] }) // others read the one before
	for _, l := range r.Upserted {
		if l.void {
			continue
		}
		at, found := slices.BinarySearchFunc(next, l.ID, func(c Connector, id string) int { return strings.Compare(c.ID, id) })
		entry := w.without([]Connector{l.Connector})[0]
		if !found {
			next = slices.Insert(next, at, entry)
		} else {
			next[at] = entry
		}
	}
	moved = !slices.EqualFunc(w.current.Connectors, next, Connector.equal)
	w.current.Connectors = next
	return moved
}

// rebuilt lists all of the set, by id. It needs the lock.
func (w *Watcher) rebuilt() []Connector {
	var out []Connector
	for _, l := range w.set.All() {
		if !l.void {
			out = append(out, l.Connector)
		}
	}
	slices.SortFunc(out, func(a, b Connector) int { return strings.Compare(a.ID, b.ID) })
	return w.without(out)
}

// kept is what goes to the disk. It needs the lock.
func (w *Watcher) kept() *zerotrustv1.Directory {
	at := w.set.Position()
	d := &zerotrustv1.Directory{Revision: w.current.Revision, Timeline: at.Timeline, ControlPlaneAddresses: w.current.ControlAddresses, Partial: at.At != w.current.Revision}
	for _, l := range w.set.All() {
		if !l.void {
			d.Connectors = append(d.Connectors, l.raw)
		}
	}
	slices.SortFunc(d.GetConnectors(), func(a, b *zerotrustv1.DirectoryConnector) int { return strings.Compare(a.GetId(), b.GetId()) })
	return d
}
