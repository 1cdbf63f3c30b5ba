package policy_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// marked is a database that was restored.
type marked struct {
	mu   sync.Mutex
	at   time.Time
	fail error
	end  audit.Event
}

func (m *marked) RestoredAt(context.Context) (time.Time, error) { return m.at, m.fail }

func (m *marked) EndRecall(_ context.Context, e audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.end, m.at = e, time.Time{}
	}
	return m.fail
}

func (m *marked) failing(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// recalled is a controller that was restored, with these connectors.
type recalled struct {
	*policy.Recall

	mark  *marked
	store *memory
	pub   *policy.Publisher
}

func newRecalled(t *testing.T, connectors ...string) *recalled {
	t.Helper()
	r := &recalled{mark: &marked{at: time.Now()}, store: newMemory(1)}
	for _, id := range connectors {
		r.store.connectors = append(r.store.connectors, fleet.Connector{Member: member(identity.KindConnector, id, time.Now())})
	}
	r.pub = policy.NewPublisher(td, r.store, zap.NewNop(), time.Now)
	require.NoError(t, r.pub.Refresh(t.Context()))
	r.Recall = policy.NewRecall(policy.RecallConfig{Store: r.mark, Policy: r.pub, Actor: "controller/c1", Now: time.Now, Log: zap.NewNop()})
	require.NoError(t, r.Begin(t.Context()))
	return r
}

func (r *recalled) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	synctest.Wait()
	return func() { cancel(); require.NoError(t, <-done) }
}

func (r *recalled) admits() bool {
	synctest.Wait()
	return r.Collecting() == nil
}

func TestARestoredControllerAdmitsWhenAllConnectorsHaveAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecalled(t, "a", "b")
		defer r.run(t)()
		require.False(t, r.admits())
		r.Gave("a")
		r.Gave("a")
		r.Gave("stranger")
		require.False(t, r.admits())
		require.ErrorContains(t, r.Collecting(), "not answered yet: b")
		r.Gave("b")
		require.True(t, r.admits())
		require.Equal(t, audit.DenialsCollect, r.mark.end.Action)
		require.JSONEq(t, `{"gave":3,"missing":null}`, r.mark.end.After)
	})
}

// TestAConnectorThatIsGoneKeepsNobodyOutForEver: a minute after the first answer, and
// five without any.
func TestAConnectorThatIsGoneKeepsNobodyOutForEver(t *testing.T) {
	t.Parallel()
	t.Run("after the first answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecalled(t, "a", "b", "c")
			defer r.run(t)()
			<-time.After(2 * time.Minute)
			r.Gave("a")
			<-time.After(40 * time.Second)
			r.Gave("b")
			require.False(t, r.admits(), "another answer does not make it longer")
			<-time.After(21 * time.Second)
			require.True(t, r.admits())
			require.JSONEq(t, `{"gave":2,"missing":["c"]}`, r.mark.end.After)
		})
	})
	t.Run("without any answer", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecalled(t, "a")
			defer r.run(t)()
			<-time.After(policy.AtMost - time.Second)
			require.False(t, r.admits())
			<-time.After(2 * time.Second)
			require.True(t, r.admits())
		})
	})
	t.Run("when it is revoked", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecalled(t, "a", "b")
			defer r.run(t)()
			r.Gave("a")
			require.False(t, r.admits())
			r.store.change(func() { r.store.connectors[1].RevokedAt = time.Now() })
			require.NoError(t, r.pub.Refresh(t.Context()))
			require.True(t, r.admits())
		})
	})
	t.Run("where there is none", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := newRecalled(t)
			defer r.run(t)()
			require.True(t, r.admits())
		})
	})
}

// TestARestartBeforeTheEndCollectsAgain: and one after it admits at once.
func TestARestartBeforeTheEndCollectsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecalled(t, "a")
		stop := r.run(t)
		stop()
		again := func() *policy.Recall {
			n := policy.NewRecall(policy.RecallConfig{Store: r.mark, Policy: r.pub, Actor: "controller/c1", Now: time.Now, Log: zap.NewNop()})
			require.NoError(t, n.Begin(t.Context()))
			return n
		}
		r.Recall = again()
		stop = r.run(t)
		require.False(t, r.admits())
		r.Gave("a")
		require.True(t, r.admits())
		stop()
		require.NoError(t, again().Collecting())
	})
}

// TestNobodyIsAdmittedWhileTheStoreFails: what connectors gave back is in it, and who is
// enrolled cannot be read.
func TestNobodyIsAdmittedWhileTheStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecalled(t, "a")
		defer r.run(t)()
		r.mark.failing(errors.New("away"))
		r.Gave("a")
		require.False(t, r.admits())
		r.mark.failing(nil)
		<-time.After(2 * time.Second)
		require.True(t, r.admits())
	})
	m := &marked{fail: errors.New("away")}
	require.Error(t, policy.NewRecall(policy.RecallConfig{Store: m, Log: zap.NewNop()}).Begin(t.Context()), "whether it was restored is not guessed")
}

// TestAControllerThatWasNotRestoredCollectsNothing: whether the policy names connectors or
// not.
func TestAControllerThatWasNotRestoredCollectsNothing(t *testing.T) {
	t.Parallel()
	for _, connectors := range [][]string{nil, {"a"}} {
		restored := newRecalled(t, connectors...)
		r := policy.NewRecall(policy.RecallConfig{Store: &marked{}, Policy: restored.pub, Actor: "controller/c1", Now: time.Now, Log: zap.NewNop()})
		require.NoError(t, r.Begin(t.Context()))
		require.NoError(t, r.Collecting())
		r.Gave("a")
		require.NoError(t, r.Run(t.Context()))
		require.NoError(t, r.Collecting())
	}
}
