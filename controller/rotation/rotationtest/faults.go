package rotationtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

// ErrFault is what a call returns that Faults makes fail.
var ErrFault = errors.New("connection lost")

// Crash is what Faults panics with in place of a SIGKILL.
type Crash struct{ At string }

// Fault is what happens at a boundary.
type Fault int

// Faults: before or after the call has had its effect.
const (
	CrashBefore Fault = iota
	CrashAfter
	FailBefore
	FailAfter
)

// String names the fault.
func (f Fault) String() string {
	return [...]string{"crash before", "crash after", "failure before", "lost reply of"}[f]
}

// Faults stands between a Manager and its SPIRE and Store, counts the calls that
// change something and plans one fault for some of them.
type Faults struct {
	SPIRE rotation.SPIRE
	Store rotation.Store

	mu    sync.Mutex
	count int
	plan  map[int]Fault

	refused string
	refusal error
}

// Plan makes the n-th call from here, counted from 0, meet a fault.
func (f *Faults) Plan(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.plan == nil {
		f.plan = map[int]Fault{}
	}
	f.plan[n] = fault
}

// Refuse makes SPIRE refuse one kind of call, from now on.
func (f *Faults) Refuse(call string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused, f.refusal = call, err
}

// Count is how many calls there were.
func (f *Faults) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *Faults) around(what string, call func() error) error {
	f.mu.Lock()
	fault, planned := f.plan[f.count]
	at := fmt.Sprintf("%s call %d: %s", fault, f.count, what)
	f.count++
	refusal := f.refusal
	if f.refused != what {
		refusal = nil
	}
	f.mu.Unlock()
	if refusal != nil {
		return refusal
	}
	if !planned {
		return call()
	}
	switch fault {
	case CrashBefore:
		panic(Crash{at})
	case FailBefore:
		return ErrFault
	default:
	}
	if err := call(); err != nil {
		return err
	}
	if fault == CrashAfter {
		panic(Crash{at})
	}
	return ErrFault
}

// Authorities implements rotation.SPIRE; it changes nothing and is not counted.
func (f *Faults) Authorities(ctx context.Context) (rotation.Authorities, error) {
	return f.SPIRE.Authorities(ctx)
}

// Prepare implements rotation.SPIRE.
func (f *Faults) Prepare(ctx context.Context) error {
	return f.around("prepare", func() error { return f.SPIRE.Prepare(ctx) })
}

// Activate implements rotation.SPIRE.
func (f *Faults) Activate(ctx context.Context, id string) error {
	return f.around("activate", func() error { return f.SPIRE.Activate(ctx, id) })
}

// Taint implements rotation.SPIRE.
func (f *Faults) Taint(ctx context.Context, id string) error {
	return f.around("taint", func() error { return f.SPIRE.Taint(ctx, id) })
}

// Revoke implements rotation.SPIRE.
func (f *Faults) Revoke(ctx context.Context, id string) error {
	return f.around("revoke", func() error { return f.SPIRE.Revoke(ctx, id) })
}

// RotationTx implements rotation.Store.
func (f *Faults) RotationTx(ctx context.Context, fn func(rotation.Tx) error) error {
	return f.around("commit", func() error { return f.Store.RotationTx(ctx, fn) })
}

// Rotation implements rotation.Store.
func (f *Faults) Rotation(ctx context.Context) (rotation.Rotation, error) {
	return f.Store.Rotation(ctx)
}

// ChangePosition implements changelog.Log.
func (f *Faults) ChangePosition(ctx context.Context) (uint64, error) {
	return f.Store.ChangePosition(ctx)
}

// Changes implements changelog.Log.
func (f *Faults) Changes(ctx context.Context, after uint64, limit int) ([]changelog.Change, error) {
	return f.Store.Changes(ctx, after, limit)
}

// SubscribeChanges implements changelog.Log.
func (f *Faults) SubscribeChanges() (<-chan struct{}, func()) { return f.Store.SubscribeChanges() }
