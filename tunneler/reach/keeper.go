package reach

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Caps on a list, whoever sends it.
const (
	MaxParts = 256
)

// ErrMalformed is of messages that are no list: their sender is broken.
var ErrMalformed = errors.New("malformed list of what is reachable")

// Keeper has the newest list.
type Keeper struct {
	tunneler string
	list     atomic.Pointer[List]

	mu     sync.Mutex
	next   uint32 // the part that is due
	parts  uint32
	staged []Resource
	void   int // entries of the list that are not understood
}

// NewKeeper returns a Keeper without a list, for the tunneler with this id.
func NewKeeper(tunneler string) *Keeper { return &Keeper{tunneler: tunneler, next: 1} }

// List is the newest list; nil before the first.
func (k *Keeper) List() *List { return k.list.Load() }

// Begin is called when a stream begins: what was left of a list on another one is dropped.
func (k *Keeper) Begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
}

func (k *Keeper) drop() { k.next, k.parts, k.staged, k.void = 1, 0, nil, 0 }

// Take takes a part. With the last one the list is in use; void is how many entries of it are not
// understood and left out. Errors: ErrMalformed, after which the list is as it was.
func (k *Keeper) Take(m *zerotrustv1.ReachUpdate) (taken bool, void int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m.GetPart() == 1 {
		k.drop()
		k.parts = m.GetParts()
	}
	switch {
	case m.GetParts() == 0, m.GetParts() > MaxParts:
		err = fmt.Errorf("%w: %d parts, at most %d are taken", ErrMalformed, m.GetParts(), MaxParts)
	case m.GetPart() != k.next || m.GetParts() != k.parts:
		err = fmt.Errorf("%w: part %d of %d where %d of %d was due", ErrMalformed, m.GetPart(), m.GetParts(), k.next, k.parts)
	case len(k.staged)+k.void+len(m.GetResources()) > wire.MaxReach:
		err = fmt.Errorf("%w: more than %d resources", ErrMalformed, wire.MaxReach)
	}
	if err != nil {
		k.drop()
		return false, 0, err
	}
	for _, one := range m.GetResources() {
		r, err := parse(one)
		if err != nil {
			k.void++
			continue
		}
		k.staged = append(k.staged, r)
	}
	if k.next++; k.next <= k.parts {
		return false, 0, nil
	}
	void = k.void
	k.list.Store(newList(k.tunneler, k.staged, int(min(m.GetMore(), 1<<20))))
	k.drop()
	return true, void, nil
}

func parse(m *zerotrustv1.ReachableResource) (r Resource, err error) {
	if m.GetUntil() != nil {
		var ok bool
		if r.Until, ok = wire.Time(m.GetUntil()); !ok || r.Until.IsZero() { // the year 1 would be never
			return r, fmt.Errorf("%w: until is not a time", ErrMalformed)
		}
	}
	r.Resource, err = access.ResourceText{
		ID: m.GetId(), NetworkID: m.GetNetworkId(), Name: m.GetName(), Hosts: m.GetHosts(), Ports: m.GetPorts(), Alias: m.GetAlias(),
	}.Parse()
	return r, err
}

// Networks are those in which a target may be reached, by id; none if nothing is known.
func (k *Keeper) Networks(t flow.Target) []string {
	if l := k.List(); l != nil {
		return l.Networks(t, time.Now())
	}
	return nil
}

// Target is what a host stands for; see List.
func (k *Keeper) Target(t flow.Target) flow.Target {
	if l := k.List(); l != nil {
		return l.Target(t, time.Now())
	}
	return t
}
