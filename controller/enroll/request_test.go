package enroll_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

const operator = "person:p1"

var listener = []byte("the listener's certificate")

func subjectOf(t testing.TB, who identity.Workload, key enrolltest.Key) keys.Subject {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	require.NoError(t, err)
	return keys.Subject{TrustDomain: td.Name(), Workload: who, Key: spki, Listener: listener}
}

func sign(t testing.TB, key enrolltest.Key, message []byte) []byte {
	t.Helper()
	signature, err := keys.Sign(key.Private, message)
	require.NoError(t, err)
	return signature
}

func asking(t testing.TB, who identity.Workload, key enrolltest.Key) enroll.Ask {
	t.Helper()
	return enroll.Ask{
		Workload: who, CSR: key.CSR, Facts: facts, Listener: listener, Proof: sign(t, key, subjectOf(t, who, key).AskMessage()),
		Source: here, RequestID: "r1",
	}
}

func (w *world) ask(t testing.TB, who identity.Workload, key enrolltest.Key) enroll.Request {
	t.Helper()
	q, err := w.Ask(t.Context(), asking(t, who, key))
	require.NoError(t, err)
	return q
}

func awaiting(t testing.TB, id string, key enrolltest.Key) enroll.Await {
	t.Helper()
	a := enroll.Await{ID: id, Challenge: []byte("challenge"), Exporter: []byte("exporter"), Source: here, RequestID: "r2"}
	a.Signature = sign(t, key, keys.AwaitMessage(id, a.Challenge, a.Exporter))
	return a
}

func approval(q enroll.Request) enroll.Verdict {
	return enroll.Verdict{ID: q.ID, Fingerprint: q.Fingerprint, Actor: operator, RequestID: "r3", From: "192.0.2.99"}
}

func (w *world) approve(t testing.TB, q enroll.Request) {
	t.Helper()
	_, err := w.Approve(t.Context(), approval(q))
	require.NoError(t, err)
}

func (w *world) stateOf(t testing.TB, id string) enroll.RequestState {
	t.Helper()
	q, err := w.Request(t.Context(), id)
	require.NoError(t, err)
	return q.State(w.clock.Now())
}

func TestAHostIsLetInWithoutAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	require.Equal(t, subjectOf(t, connector, key).Fingerprint(), q.Fingerprint, "both screens show the same")
	require.Regexp(t, `^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$`, q.Code)
	require.Equal(t, enroll.RequestPending, w.stateOf(t, q.ID))

	got := make(chan error, 1)
	var out enroll.Enrollment
	a := awaiting(t, q.ID, key)
	go func() {
		var err error
		out, err = w.Await(t.Context(), a)
		got <- err
	}()
	w.approve(t, q)
	require.NoError(t, <-got)
	cert, err := x509.ParseCertificate(out.HostCertificate)
	require.NoError(t, err)
	require.True(t, key.Private.PublicKey.Equal(cert.PublicKey))
	require.Equal(t, enroll.RequestEnrolled, w.stateOf(t, q.ID))
	_, why := w.lastReason(t)
	require.Equal(t, "host/"+string(out.HostID)+" request/"+q.ID, why, "the audit log says with which request")

	t.Run("and its entry was made as a token's would be", func(t *testing.T) {
		entries := w.spire.Entries()
		require.Len(t, entries, 1)
		tokens, err := enrolltest.Tokens(t.Context(), w)
		require.NoError(t, err)
		require.Len(t, tokens, 1)
		require.Equal(t, enroll.ByRequest, tokens[0].Delivery)
		require.Equal(t, operator, tokens[0].CreatedBy)
		require.Equal(t, enroll.Redeemed, tokens[0].State(w.clock.Now()))
	})
	t.Run("and the same key may fetch it again until it has attested", func(t *testing.T) {
		require.Equal(t, q.ID, w.ask(t, connector, key).ID)
		again, err := w.Await(t.Context(), awaiting(t, q.ID, key))
		require.NoError(t, err)
		require.Equal(t, out, again)
		agent, err := out.HostID.AgentID(td)
		require.NoError(t, err)
		w.spire.Attest(agent)
		_, err = w.Await(t.Context(), awaiting(t, q.ID, key))
		require.ErrorIs(t, err, enroll.ErrRefused)
		require.Equal(t, "spent", enroll.RefusalOf(err))
	})
}

func TestAKillAtAnyPointLosesNoRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	require.Equal(t, q, w.ask(t, connector, key), "the reply was lost: the same request, with the same code")
	w.approve(t, q)
	require.Equal(t, q.ID, w.ask(t, connector, key).ID, "after the approval too")
	w.spire.Fail("PutEntry", errFault)
	_, err := w.Await(t.Context(), awaiting(t, q.ID, key))
	require.ErrorIs(t, err, errFault)
	_, err = w.Await(t.Context(), awaiting(t, q.ID, key))
	require.NoError(t, err)
}

var errFault = fmt.Errorf("killed in between")

func TestRefusesARequestThatIsNotOfItsKeyAndListener(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, a *enroll.Ask){
		"no proof":                         func(_ *testing.T, a *enroll.Ask) { a.Proof = nil },
		"a proof for another id":           func(_ *testing.T, a *enroll.Ask) { a.Workload.ID = "other" },
		"a proof for another kind":         func(_ *testing.T, a *enroll.Ask) { a.Workload.Kind = identity.KindTunneler },
		"passed on by a man in the middle": func(_ *testing.T, a *enroll.Ask) { a.Listener = []byte("the controller's own") },
		"a proof of another key":           func(t *testing.T, a *enroll.Ask) { a.CSR = enrolltest.NewKey(t).CSR },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := asking(t, connector, enrolltest.NewKey(t))
			spoil(t, &a)
			_, err := w.Ask(t.Context(), a)
			require.ErrorIs(t, err, enroll.ErrProof)
			require.Empty(t, w.all(t))
			_, why := w.lastReason(t)
			require.Contains(t, why, "not signed for this listener")
		})
	}
	t.Run("and one whose key a man in the middle replaced shows another fingerprint", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		host, thief := enrolltest.NewKey(t), enrolltest.NewKey(t)
		q := w.ask(t, connector, thief) // his own key, hence his own proof
		onTheHost := subjectOf(t, connector, host)
		onTheHost.Listener = []byte("what the thief shows")
		require.NotEqual(t, onTheHost.Fingerprint(), q.Fingerprint)
		v := approval(q)
		v.Fingerprint = onTheHost.Fingerprint()
		_, err := w.Approve(t.Context(), v)
		require.ErrorIs(t, err, enroll.ErrFingerprint, "whoever enters what the host shows approves nothing")
	})
}

func TestOnlyTheHostFetchesTheDecision(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, stranger := enrolltest.NewKey(t), enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	w.approve(t, q)
	for name, c := range map[string]struct {
		spoil func(a *enroll.Await)
		why   string
	}{
		"a foreign key":            {func(a *enroll.Await) { a.Signature = awaiting(t, q.ID, stranger).Signature }, "proof"},
		"no signature":             {func(a *enroll.Await) { a.Signature = nil }, "proof"},
		"a replayed challenge":     {func(a *enroll.Await) { a.Challenge = []byte("another challenge") }, "proof"},
		"another TLS connection":   {func(a *enroll.Await) { a.Exporter = []byte("another exporter") }, "proof"},
		"the proof of asking":      {func(a *enroll.Await) { a.Signature = asking(t, connector, key).Proof }, "proof"},
		"a request that is not":    {func(a *enroll.Await) { *a = awaiting(t, "req_00000000000000000000000000000000", key) }, "request"},
		"the code for the request": {func(a *enroll.Await) { *a = awaiting(t, q.Code, key) }, "request"},
	} {
		a := awaiting(t, q.ID, key)
		c.spoil(&a)
		_, err := w.Await(t.Context(), a)
		require.ErrorIs(t, err, enroll.ErrRefused, name)
		require.Contains(t, err.Error(), enroll.ErrRefused.Error(), "one answer to all")
		require.Equal(t, c.why, enroll.RefusalOf(err), name)
	}
	require.Equal(t, enroll.RequestState(enroll.Approved), w.stateOf(t, q.ID), "none of them took it")
}

func TestADecisionIsMadeOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(t *testing.T, w *world, q enroll.Request, key enrolltest.Key)
		await  error
	}{
		"approved": {func(t *testing.T, w *world, q enroll.Request, _ enrolltest.Key) { w.approve(t, q) }, nil},
		"denied": {func(t *testing.T, w *world, q enroll.Request, _ enrolltest.Key) {
			_, err := w.Deny(t.Context(), enroll.Verdict{ID: q.ID, Actor: operator})
			require.NoError(t, err)
		}, enroll.ErrRequestDenied},
		"expired": {func(_ *testing.T, w *world, _ enroll.Request, _ enrolltest.Key) { w.clock.Advance(enroll.RequestTTL) }, enroll.ErrRequestExpired},
		"withdrawn": {func(t *testing.T, w *world, q enroll.Request, key enrolltest.Key) {
			changed := asking(t, connector, key)
			changed.Facts.BinaryPath = "/tmp/other"
			again, err := w.Ask(t.Context(), changed)
			require.NoError(t, err)
			require.NotEqual(t, q.Code, again.Code)
			events, err := w.store.AuditSince(t.Context(), time.Time{})
			require.NoError(t, err)
			require.Equal(t, audit.RequestWithdraw, events[len(events)-2].Action)
			require.Equal(t, "request/"+q.ID, events[len(events)-2].Target)
		}, enroll.ErrRequestDenied},
		"guessed at three times": {func(t *testing.T, w *world, q enroll.Request, _ enrolltest.Key) {
			v := approval(q)
			v.Fingerprint, _ = keys.SplitFingerprint(q.Fingerprint)
			v.Fingerprint += "-0000"
			for range 3 {
				_, err := w.Approve(t.Context(), v)
				require.ErrorIs(t, err, enroll.ErrFingerprint)
			}
		}, enroll.ErrRequestDenied},
	} {
		t.Run("one that was "+name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			key := enrolltest.NewKey(t)
			q := w.ask(t, connector, key)
			c.before(t, w, q, key)
			_, err := w.Approve(t.Context(), approval(q))
			require.ErrorIs(t, err, enroll.ErrRequestDecided)
			_, err = w.Deny(t.Context(), approval(q))
			require.ErrorIs(t, err, enroll.ErrRequestDecided)
			_, err = w.Await(t.Context(), awaiting(t, q.ID, key))
			require.ErrorIs(t, err, c.await)
		})
	}
	t.Run("and not on one that is not", func(t *testing.T) {
		t.Parallel()
		_, err := newWorld(t).Approve(t.Context(), enroll.Verdict{ID: "req_1"})
		require.ErrorIs(t, err, enroll.ErrRequestNotFound)
	})
}

func TestAnApprovalThatNobodyFetchesExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	w.approve(t, q)
	w.clock.Advance(enroll.DefaultTTL)
	_, err := w.Await(t.Context(), awaiting(t, q.ID, key))
	require.Equal(t, "expired", enroll.RefusalOf(err))
	require.NotEqual(t, q.ID, w.ask(t, connector, key).ID, "the host asks anew")
}

func TestALiveIDIsReplacedOnlyWhenTheOperatorSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	_, err := w.Redeem(t.Context(), redemption(secret, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)

	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	_, err = w.Approve(t.Context(), approval(q))
	require.ErrorIs(t, err, enroll.ErrLiveMember)
	require.Equal(t, enroll.RequestPending, w.stateOf(t, q.ID), "a slip decides nothing")
	v := approval(q)
	v.Replace = true
	_, err = w.Approve(t.Context(), v)
	require.NoError(t, err)
	_, err = w.Await(t.Context(), awaiting(t, q.ID, key))
	require.NoError(t, err)
	require.Len(t, w.changes.Revoked(), 1)
}

func TestASecondRoleIsAskedForWithTheHostsCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	_, secret := w.token(t, enroll.TokenRequest{Workload: connector})
	first, err := w.Redeem(t.Context(), redemption(secret, connector, key))
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(first.HostCertificate)
	require.NoError(t, err)

	a := asking(t, tunneler, key)
	_, err = w.Ask(t.Context(), a)
	require.Equal(t, "key_reused", enroll.RefusalOf(err), "without its certificate it would be a second host with one key")
	a.HostCertificate = cert
	q, err := w.Ask(t.Context(), a)
	require.NoError(t, err)
	w.approve(t, q)
	role, err := w.Await(t.Context(), awaiting(t, q.ID, key))
	require.NoError(t, err)
	require.Equal(t, first.HostID, role.HostID)

	t.Run("but not once the host is revoked", func(t *testing.T) {
		for _, who := range []identity.Workload{connector, tunneler} {
			require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: who, Actor: operator}))
		}
		a := asking(t, identity.Workload{Kind: identity.KindTunneler, ID: "t-3"}, key)
		a.HostCertificate = cert
		_, err := w.Ask(t.Context(), a)
		require.Equal(t, "host", enroll.RefusalOf(err))
	})
}

func TestAFloodFromOneAddressLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 5 {
		w.ask(t, connector, enrolltest.NewKey(t))
	}
	_, err := w.Ask(t.Context(), asking(t, connector, enrolltest.NewKey(t)))
	require.ErrorIs(t, err, enroll.ErrTooManyRequests)
	other := asking(t, connector, enrolltest.NewKey(t))
	other.Source = netip.MustParseAddrPort("192.0.2.8:1")
	_, err = w.Ask(t.Context(), other)
	require.NoError(t, err)

	t.Run("also when it has a whole /64", func(t *testing.T) {
		for i := range 6 {
			a := asking(t, connector, enrolltest.NewKey(t))
			a.Source = netip.MustParseAddrPort(fmt.Sprintf("[2001:db8::%x]:1", i+1))
			_, err = w.Ask(t.Context(), a)
		}
		require.ErrorIs(t, err, enroll.ErrTooManyRequests)
	})
	t.Run("and room again when they expire", func(t *testing.T) {
		w.clock.Advance(enroll.RequestTTL)
		w.ask(t, connector, enrolltest.NewKey(t))
	})
	t.Run("and asking for something else each time is no way around", func(t *testing.T) {
		a := asking(t, connector, enrolltest.NewKey(t))
		a.Source = netip.MustParseAddrPort("192.0.2.10:1")
		for i := range 6 {
			a.Facts.BinaryPath = fmt.Sprintf("/tmp/%d", i)
			_, err = w.Ask(t.Context(), a)
		}
		require.ErrorIs(t, err, enroll.ErrTooManyRequests)
	})
	t.Run("and asking again and again is limited too", func(t *testing.T) {
		a := asking(t, connector, enrolltest.NewKey(t))
		a.Source = netip.MustParseAddrPort("192.0.2.9:1")
		for range 30 {
			_, err = w.Ask(t.Context(), a)
		}
		require.ErrorIs(t, err, enroll.ErrTooManyRequests)
	})
}

func TestAFloodFromManyAddressesIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for i := range 1000 {
			err := tx.InsertRequest(t.Context(), enroll.Request{
				ID: fmt.Sprintf("req_%d", i), Code: fmt.Sprint(i), Workload: connector, KeyHash: fmt.Append(nil, i), Net: fmt.Sprint(i),
				CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(enroll.RequestTTL),
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := w.Ask(t.Context(), asking(t, connector, key))
	require.ErrorIs(t, err, enroll.ErrTooManyRequests)
	w.clock.Advance(enroll.RequestTTL)
	w.ask(t, connector, key)
	w.clock.Advance(2 * time.Hour)
	require.NoError(t, w.Sweep(t.Context()))
	require.Empty(t, w.all(t), "what nobody decided is forgotten")
}

// all are the requests, the oldest first.
func (w *world) all(t *testing.T) []enroll.Request {
	t.Helper()
	p, err := w.RequestPage(t.Context(), enroll.RequestQuery{Sort: enroll.ByCreation, Limit: 100})
	require.NoError(t, err)
	require.Len(t, p.Items, p.Total)
	return p.Items
}

func TestTheNewerConnectionOfAHostWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	older, a := make(chan error, 1), awaiting(t, q.ID, key)
	go func() {
		_, err := w.Await(t.Context(), a)
		older <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	newer := make(chan error, 1)
	// Whichever of the two sits down last takes the seat of the other.
	go func() {
		_, err := w.Await(ctx, a)
		newer <- err
	}()
	select {
	case err := <-older:
		require.ErrorIs(t, err, enroll.ErrRequestTaken)
		older = newer
	case err := <-newer:
		require.ErrorIs(t, err, enroll.ErrRequestTaken)
	}
	w.approve(t, q)
	require.NoError(t, <-older)
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := enrolltest.NewKey(t)
	q := w.ask(t, connector, key)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := w.Await(ctx, awaiting(t, q.ID, key))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// storeless fails every transaction, so that a fuzzer gets as far as one.
type storeless struct{ enroll.Store }

func (storeless) EnrollTx(context.Context, func(enroll.Tx) error) error { return errFault }

// AppendAudit implements audit.Store: refusals are recorded without a transaction.
func (storeless) AppendAudit(context.Context, audit.Event) error { return nil }

// FuzzAsk: whatever a stranger sends, only what is proved gets as far as the store.
func FuzzAsk(f *testing.F) {
	key := enrolltest.NewKey(f)
	a := asking(f, connector, key)
	f.Add(a.Workload.ID, a.CSR, a.Proof, a.Facts.BinaryPath)
	f.Add("", []byte{0x30, 0x80}, []byte{}, "/\x1b[2J")
	f.Fuzz(func(t *testing.T, id string, csr, proof []byte, path string) {
		s := enroll.New(enroll.Config{TrustDomain: td, Store: storeless{}, Audit: audit.New(zap.NewNop(), time.Now), Now: time.Now})
		a := asking(t, connector, key)
		a.Workload.ID, a.CSR, a.Proof, a.Facts.BinaryPath = id, csr, proof, path
		_, err := s.Ask(t.Context(), a)
		var field *enroll.FieldError
		if !errors.As(err, &field) && !errors.Is(err, enroll.ErrProof) {
			require.ErrorIs(t, err, errFault)
			require.Equal(t, connector.ID, id, "the proof is about this id")
		}
	})
}
