package denial_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// key is that of an audit log.
type key struct {
	note.Signer

	public string
}

func (k key) SignText(text []byte) ([]byte, error) { return k.Sign(text) }

func newKey(tb testing.TB) key {
	tb.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "mycorp.internal/audit")
	require.NoError(tb, err)
	s, err := note.NewSigner(private)
	require.NoError(tb, err)
	return key{s, public}
}

func sign(tb testing.TB, k key, e denial.Entry) denial.Entry {
	tb.Helper()
	e, err := denial.Sign(k, e)
	require.NoError(tb, err)
	return e
}

func entry(name string, at time.Time) denial.Entry {
	return denial.Entry{ID: id(name), SVIDNotBefore: at.Truncate(time.Second)}
}

func TestOnlyWhatTheControllerSignedIsGenuine(t *testing.T) {
	t.Parallel()
	k := newKey(t)
	good := sign(t, k, entry("a", now))
	require.True(t, denial.Genuine(k.public, good))
	for name, change := range map[string]func(*denial.Entry){
		"unsigned":             func(e *denial.Entry) { e.Signature = nil },
		"another id":           func(e *denial.Entry) { e.ID = id("b") },
		"another trust domain": func(e *denial.Entry) { e.ID = spiffeid.RequireFromString("spiffe://other.org/tunneler/a") },
		"another role":         func(e *denial.Entry) { e.ID = spiffeid.RequireFromString("spiffe://mycorp.internal/connector/a") },
		"a later time":         func(e *denial.Entry) { e.SVIDNotBefore = e.SVIDNotBefore.Add(time.Second) },
		"an earlier time":      func(e *denial.Entry) { e.SVIDNotBefore = e.SVIDNotBefore.Add(-time.Second) },
		"another key":          func(e *denial.Entry) { *e = sign(t, newKey(t), *e) },
		"a cut signature":      func(e *denial.Entry) { e.Signature = e.Signature[1:] },
		"a changed signature":  func(e *denial.Entry) { e.Signature = bytes.Clone(e.Signature); e.Signature[7] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good
			change(&e)
			require.False(t, denial.Genuine(k.public, e))
		})
	}
	require.False(t, denial.Genuine("", good))
	require.False(t, denial.Genuine("no key", good))
}

func openSigned(t *testing.T, dir, public string) (k *denial.Kept, stop func()) {
	t.Helper()
	return start(t, denial.Config{
		TrustDomain: td, StateDir: dir, SaveAgain: time.Hour, Log: zap.NewNop(),
		Genuine: func(e denial.Entry) bool { return denial.Genuine(public, e) },
	})
}

func has(e denial.Entry) map[spiffeid.ID]time.Time {
	return map[spiffeid.ID]time.Time{e.ID: e.SVIDNotBefore}
}

// TestSignaturesAreKeptAndGivenBack: over a restart, whole, the newest first, and not to
// whom has them.
func TestSignaturesAreKeptAndGivenBack(t *testing.T) {
	t.Parallel()
	dir, k, at := t.TempDir(), newKey(t), time.Now().Add(-time.Minute).UTC()
	older, newer := sign(t, k, entry("a", at.Add(-time.Hour))), sign(t, k, entry("b", at))
	kept, stop := openSigned(t, dir, k.public)
	require.True(t, kept.Take(denial.Message([]denial.Entry{older, newer}, false)))
	kept.Take(message(at, id("unsigned").String()))
	stop()
	kept, stop = openSigned(t, dir, k.public)
	defer stop()
	require.Equal(t, []denial.Entry{newer, older}, kept.Since(nil))
	require.Equal(t, []denial.Entry{newer}, kept.Since(has(older)))
	again := older
	again.SVIDNotBefore = again.SVIDNotBefore.Add(-time.Hour)
	require.Equal(t, []denial.Entry{newer, older}, kept.Since(has(again)), "that controller knows an earlier one")
}

// TestNobodyTakesASignatureAway: a controller that is not ours could else have a
// connector forget what ours signed.
func TestNobodyTakesASignatureAway(t *testing.T) {
	t.Parallel()
	k, at := newKey(t), time.Now().Add(-time.Minute).UTC()
	mine := sign(t, k, entry("a", at))
	kept, stop := openSigned(t, t.TempDir(), k.public)
	defer stop()
	kept.Take(denial.Message([]denial.Entry{mine}, false))
	unsigned, forged := entry("a", at.Add(10*time.Second)), sign(t, newKey(t), entry("a", at.Add(20*time.Second)))
	require.True(t, kept.Take(denial.Message([]denial.Entry{unsigned}, false)), "it counts all the same")
	require.True(t, kept.Take(denial.Message([]denial.Entry{forged}, false)))
	require.True(t, kept.Denies(id("a"), at.Add(15*time.Second)))
	require.Equal(t, []denial.Entry{mine}, kept.Since(nil))
	later := sign(t, k, entry("a", at.Add(30*time.Second)))
	kept.Take(denial.Message([]denial.Entry{later}, false))
	require.Equal(t, []denial.Entry{later}, kept.Since(nil))
}

func TestWhatIsKeptSignedHasAnEnd(t *testing.T) {
	t.Parallel()
	kept, stop := start(t, denial.Config{TrustDomain: td, SaveAgain: time.Hour, Log: zap.NewNop(), Genuine: func(denial.Entry) bool { return true }})
	defer stop()
	signed := func(name string, at time.Time) denial.Entry {
		e := entry(name, at)
		e.Signature = make([]byte, 64)
		return e
	}
	kept.Take(denial.Message([]denial.Entry{signed("over", time.Now().Add(-denial.Life-time.Second))}, false))
	require.Empty(t, kept.Since(nil))
	at := time.Now().Add(-2 * time.Hour)
	for i := 0; i < denial.Max+denial.MaxMessage; i += denial.MaxMessage {
		var some []denial.Entry
		for j := range denial.MaxMessage {
			some = append(some, signed(fmt.Sprintf("n%d", i+j), at.Add(time.Duration(i)*time.Second/10)))
		}
		kept.Take(denial.Message(some, false))
	}
	require.LessOrEqual(t, len(kept.Since(nil)), denial.Max)
	for _, m := range denial.Messages(kept.Since(nil)) {
		require.LessOrEqual(t, len(m.GetDenials()), denial.MaxMessage)
	}
}

// FuzzGenuine: whatever a connector gives back, none of it is genuine but what the
// controller signed.
func FuzzGenuine(f *testing.F) {
	k := newKey(f)
	mine := sign(f, k, entry("a", now))
	for _, e := range []denial.Entry{mine, entry("b", now), {}} {
		raw, err := proto.Marshal(denial.Message([]denial.Entry{e}, true))
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m zerotrustv1.Denials
		if proto.Unmarshal(raw, &m) != nil {
			return
		}
		got, left := denial.Parse(&m, td)
		require.Equal(t, len(m.GetDenials()), len(got)+left)
		require.LessOrEqual(t, len(got), denial.MaxMessage)
		for _, e := range got {
			if denial.Genuine(k.public, e) {
				require.Equal(t, mine, e)
			}
		}
	})
}
