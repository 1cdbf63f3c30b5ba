package chain_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// lives is what is said of the controller's timelines.
type lives struct {
	key    timeline.Key // its operator has it, the controller has the public half
	newest uint64       // that the operator has begun
	begun  [][]byte     // the statements of all that were
}

func newLives(t require.TestingT) lives { return lives{key: newKey(t), newest: 1} }

func newKey(t require.TestingT) timeline.Key {
	_, k, err := timeline.NewKey(td.Name())
	require.NoError(t, err)
	return k
}

// sign is a statement that a timeline begins, with whoever's key.
func sign(t require.TestingT, k timeline.Key, n uint64) []byte {
	signed, err := k.Sign(timeline.Statement{TrustDomain: td.Name(), Number: n, Reason: "disk died"})
	require.NoError(t, err)
	return signed
}

// Say implements control.Recovery.
func (s *said) Say() *recovery.Said { return (*recovery.Said)(s) }

// Notify implements control.Recovery: what is said does not change.
func (*said) Notify(topic.Hint) (stop func()) { return func() {} }

type said recovery.Said

// recover is a restore with `grpccontroller recovery start` before the controller is
// started. Its operator has noted the number of the newest timeline.
func (w *world) recover(n int, clock bool) {
	w.controller()
	if len(w.backups) > 0 {
		w.replace(n)
	}
	w.begin()
	w.startController(clock)
	w.late = false // whatever its clock is: this policy is the one to follow
}

// begin begins a timeline in the stopped store.
func (w *world) begin() {
	w.lives.newest++
	signed := sign(w.t, w.lives.key, w.lives.newest)
	w.lives.begun = append(w.lives.begun, signed)
	w.store.timeline = recovery.Timeline{Number: w.lives.newest, Statement: string(signed)}
}

// pinned says whether the connector has a recovery key. Before, it believes the first
// controller that it sees, so nobody else speaks to it then.
func (w *world) pinned() bool {
	kept, err := timeline.Load(filepath.Join(w.dir, timeline.FileName), td.Name())
	return err == nil && kept.RecoveryKey != ""
}

// state is a statement that this controller does not make.
func (w *world) state(key string, signed []byte) {
	if w.pinned() {
		w.link.say(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Timeline{Timeline: &zerotrustv1.Timeline{RecoveryKey: key, Statement: signed}}})
	}
}

// forge has somebody without the recovery key say that the next timeline begins, and say
// its policy.
func (w *world) forge(n int) {
	thief := newKey(w.t)
	w.state([]string{w.lives.key.Public, thief.Public}[n%2], sign(w.t, thief, w.lives.newest+1))
	w.elsewhere(n)
}

// unsigned is the right statement of the next timeline, without its signature.
func (w *world) unsigned(n int) {
	text, _, _ := bytes.Cut(sign(w.t, w.lives.key, w.lives.newest+1), []byte("\n\n"))
	w.state(w.lives.key.Public, append(text, '\n'))
	w.elsewhere(n)
}

// replay repeats a true statement.
func (w *world) replay(n int) {
	if len(w.lives.begun) > 0 {
		w.state(w.lives.key.Public, w.lives.begun[n%len(w.lives.begun)])
	}
}

// elsewhere says again what some stream was told, as a controller in the timeline after
// all that were begun.
func (w *world) elsewhere(n int) {
	m := w.link.earlier(n)
	if h := m.GetPolicy().GetHeader(); h != nil && w.pinned() {
		h.Timeline = w.lives.newest + 1
		w.link.say(m)
	}
}

// agree is the turn of the operator, if what the connector says is that it refuses a
// controller whose clock is behind, or which was restored to a former timeline.
func (w *world) agree(t require.TestingT) {
	err := w.relay.PolicyReady(context.Background())
	switch {
	case err == nil:
	case w.store.timeline.Now() < w.lives.newest:
		require.ErrorContains(t, err, "grpccontroller recovery start --after")
		w.controller()
		w.begin()
		w.startController(true)
		<-time.After(truth)
	case w.late:
		require.ErrorContains(t, err, "witness reset")
		w.reset()
		<-time.After(truth)
	}
}

// reset is `grpcconnector witness reset`, which a connector asks for that refuses.
func (w *world) reset() {
	if _, err := timeline.Retire(w.dir, time.Now()); err != nil && !os.IsNotExist(err) {
		panic(err)
	}
	if _, err := relay.DropPolicy(w.dir); err != nil {
		panic(err)
	}
	w.forgets = true // within 10 s
}
