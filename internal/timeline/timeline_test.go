package timeline_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const td = "mycorp.internal"

var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB, trustDomain string) (string, timeline.Key) {
	t.Helper()
	private, k, err := timeline.NewKey(trustDomain)
	require.NoError(t, err)
	return private, k
}

// begins is what a controller sends whose timeline n continues an audit log.
func begins(t testing.TB, k timeline.Key, n uint64, log *controltest.Log) *zerotrustv1.Timeline {
	t.Helper()
	o := log.Offer(t, 0)
	signed, err := k.Sign(timeline.Statement{TrustDomain: td, Number: n, Checkpoint: timeline.HashCheckpoint(o.VerifierKey, o.Note), Reason: "disk died"})
	require.NoError(t, err)
	return &zerotrustv1.Timeline{RecoveryKey: k.Public, Statement: signed, OldCheckpoint: o.Note, OldVerifierKey: o.VerifierKey}
}

func TestAKeySurvivesBeingWrittenDown(t *testing.T) {
	t.Parallel()
	private, k := newKey(t, td)
	again, err := timeline.ParseKey("\n "+private+"\n", td)
	require.NoError(t, err)
	require.Equal(t, k.Public, again.Public)
	require.NotContains(t, k.Public, private[len(private)-20:])

	for name, text := range map[string]string{
		"nothing": "", "the public half": k.Public, "a letter less": private[:len(private)-1], "two letters swapped": swapped(private), "too long": private + strings.Repeat("A", 600),
	} {
		_, err := timeline.ParseKey(text, td)
		require.ErrorIs(t, err, timeline.ErrPrivate, name)
		if text != "" {
			require.NotContains(t, err.Error(), text, name)
		}
	}
	_, err = timeline.ParseKey(private, "other.org")
	require.ErrorIs(t, err, timeline.ErrKey)
}

// swapped changes a letter of the key, as a typing error would.
func swapped(s string) string {
	b := []byte(s)
	at := len(b) - 10
	if b[at] = 'A'; s[at] == 'A' {
		b[at] = 'B'
	}
	return string(b)
}

func TestAStatementHasOneSpelling(t *testing.T) {
	t.Parallel()
	good := timeline.Statement{TrustDomain: td, Number: 2, Checkpoint: sha256.Sum256([]byte("x")), Reason: "disk died, 29 November"}
	got, err := timeline.Parse(good.Text())
	require.NoError(t, err)
	require.Equal(t, good, got)
	lines := strings.Split(good.Text(), "\n")
	with := func(i int, text string) string {
		all := append([]string(nil), lines...)
		all[i] = text
		return strings.Join(all, "\n")
	}
	for name, text := range map[string]string{
		"nothing": "", "no trust domain": with(0, "/recovery"), "a checkpoint's origin": with(0, td+"/audit"), "the first timeline": with(1, "1"), "no number": with(1, ""),
		"a plus": with(1, "+2"), "a leading zero": with(1, "02"), "negative": with(1, "-2"), "too high": with(1, "4294967297"), "a short hash": with(2, "AAAA"),
		"a hash of no base64": with(2, strings.Repeat("*", 44)), "no reason": with(3, ""), "a reason that draws": with(3, "\x1b[2J"), "a reason that is no UTF-8": with(3, "\xff"),
		"a long reason": with(3, strings.Repeat("x", timeline.MaxReason+1)), "a line more": good.Text() + "x\n", "no newline at the end": strings.TrimSuffix(good.Text(), "\n"),
		"too long": good.Text() + strings.Repeat("\n", timeline.MaxStatement),
	} {
		_, err := timeline.Parse(text)
		require.ErrorIs(t, err, timeline.ErrMalformed, name)
	}
}

// TestAStatementOfBeforeIsRead: an earlier release signed reasons with characters that
// nobody sees. Hosts follow them, and a new statement has none.
func TestAStatementOfBeforeIsRead(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{"disk\u3164died", "\u2800", "a\ufe0fb"} {
		s := timeline.Statement{TrustDomain: td, Number: 2, Reason: reason}
		got, err := timeline.Parse(s.Text())
		require.NoError(t, err, "%q", reason)
		require.Equal(t, s, got)
		require.ErrorIs(t, timeline.CheckReason(reason), timeline.ErrMalformed)
		_, k := newKey(t, td)
		_, err = k.Sign(s)
		require.ErrorIs(t, err, timeline.ErrMalformed)
	}
}

func TestAKeySignsNoStatementThatNobodyAccepts(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	for name, s := range map[string]timeline.Statement{
		"the first timeline": {TrustDomain: td, Number: 1, Reason: "x"}, "no reason": {TrustDomain: td, Number: 2}, "two lines": {TrustDomain: td, Number: 2, Reason: "a\nb"},
		"another trust domain": {TrustDomain: "other.org", Number: 2, Reason: "x"},
	} {
		_, err := k.Sign(s)
		require.Error(t, err, name)
	}
}

func pinned(t testing.TB, k timeline.Key) timeline.Kept {
	t.Helper()
	kept, err := timeline.Kept{}.Pin(&zerotrustv1.Timeline{RecoveryKey: k.Public}, 1, td, now)
	require.NoError(t, err)
	return kept
}

func judged(t testing.TB, k timeline.Kept, m *zerotrustv1.Timeline) timeline.Kept {
	t.Helper()
	next, accepted, err := k.Judge(m, td, now)
	require.NoError(t, err)
	require.True(t, accepted)
	return next
}

func TestAHostFollowsTheStatementOfItsRecoveryKey(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	log := controltest.NewLog(t, td+"/audit").With(t, "a", "b")
	kept := pinned(t, k)
	require.NoError(t, kept.Follows(1))
	require.Error(t, kept.Follows(2), "without a statement")

	two := begins(t, k, 2, log)
	kept = judged(t, kept, two)
	require.NoError(t, kept.Follows(2))
	require.ErrorIs(t, kept.Follows(1), timeline.ErrOlder)
	s, ok := kept.Begun()
	require.True(t, ok)
	require.Equal(t, "disk died", s.Reason)
	require.Equal(t, string(two.GetOldCheckpoint()), kept.OldCheckpoint, "the old checkpoint is kept")

	same, accepted, err := kept.Judge(two, td, now.Add(time.Hour))
	require.NoError(t, err, "the same again is how each stream begins")
	require.False(t, accepted)
	require.Equal(t, kept, same)

	kept = judged(t, kept, begins(t, k, 5, log.With(t, "c")))
	require.Equal(t, uint64(5), kept.Number, "it may have missed some")
}

func TestARebuiltControllerHasNoOldCheckpoint(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	signed, err := k.Sign(timeline.Statement{TrustDomain: td, Number: 2, Reason: "no backup"})
	require.NoError(t, err)
	kept := judged(t, pinned(t, k), &zerotrustv1.Timeline{Statement: signed})
	require.Empty(t, kept.OldCheckpoint)
}

func TestStatementsThatAreRefused(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	_, thief := newKey(t, td)
	log := controltest.NewLog(t, td+"/audit").With(t, "a", "b")
	kept := judged(t, pinned(t, k), begins(t, k, 3, log))
	change := func(m *zerotrustv1.Timeline, fn func(*zerotrustv1.Timeline)) *zerotrustv1.Timeline { fn(m); return m }
	text := func(m *zerotrustv1.Timeline) string {
		body, _, _ := strings.Cut(string(m.GetStatement()), "\n\n")
		return body + "\n"
	}
	// The key signs for one trust domain; this is what one of another would have signed.
	_, foreign := newKey(t, "other.org")
	abroad, err := foreign.Sign(timeline.Statement{TrustDomain: "other.org", Number: 4, Reason: "x"})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		m    *zerotrustv1.Timeline
		want error
	}{
		"unsigned":              {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.Statement = []byte(text(m)) }), timeline.ErrSignature},
		"signed by another key": {begins(t, thief, 4, log), timeline.ErrSignature},
		"forged": {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) {
			m.Statement = []byte(strings.Replace(string(m.Statement), "\n4\n", "\n5\n", 1))
		}), timeline.ErrSignature},
		"of a foreign trust domain":    {&zerotrustv1.Timeline{Statement: abroad}, timeline.ErrSignature},
		"replayed":                     {begins(t, k, 2, log), timeline.ErrOlder},
		"with another checkpoint":      {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.OldCheckpoint = log.With(t, "c").Offer(t, 0).Note }), timeline.ErrOldCheckpoint},
		"with the key of another log":  {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.OldVerifierKey = controltest.NewLog(t, td+"/audit").Key }), timeline.ErrOldCheckpoint},
		"without the checkpoint":       {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.OldCheckpoint, m.OldVerifierKey = nil, "" }), timeline.ErrOldCheckpoint},
		"too long":                     {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.Statement = make([]byte, timeline.MaxStatement+1) }), timeline.ErrTooLarge},
		"with too long a checkpoint":   {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.OldCheckpoint = make([]byte, witness.MaxNote+1) }), timeline.ErrTooLarge},
		"with too long a key of a log": {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.OldVerifierKey = strings.Repeat("x", witness.MaxKey+1) }), timeline.ErrTooLarge},
		"with too long a recovery key": {change(begins(t, k, 4, log), func(m *zerotrustv1.Timeline) { m.RecoveryKey = strings.Repeat("x", timeline.MaxKey+1) }), timeline.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, accepted, err := kept.Judge(c.m, td, now)
			require.ErrorIs(t, err, c.want)
			require.False(t, accepted)
			require.Equal(t, kept, got, "and keeps what it had")
		})
	}
	t.Run("signed for a checkpoint that is none", func(t *testing.T) {
		t.Parallel()
		signed, err := k.Sign(timeline.Statement{TrustDomain: td, Number: 4, Checkpoint: timeline.HashCheckpoint("key", []byte("note")), Reason: "x"})
		require.NoError(t, err)
		_, _, err = kept.Judge(&zerotrustv1.Timeline{Statement: signed, OldCheckpoint: []byte("note"), OldVerifierKey: "key"}, td, now)
		require.ErrorIs(t, err, timeline.ErrOldCheckpoint)
	})
	t.Run("by a host that has no key", func(t *testing.T) {
		t.Parallel()
		got, accepted, err := timeline.Kept{Number: 1}.Judge(begins(t, thief, 2, log), td, now)
		require.ErrorIs(t, err, timeline.ErrNoKey, "the key in the message is worth nothing")
		require.False(t, accepted)
		require.Equal(t, timeline.Kept{Number: 1}, got)
	})
}

func TestVerifyNamesAForeignTrustDomain(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, "other.org")
	signed, err := k.Sign(timeline.Statement{TrustDomain: "other.org", Number: 2, Reason: "x"})
	require.NoError(t, err)
	_, err = timeline.Verify(signed, k.Public, td)
	require.ErrorIs(t, err, timeline.ErrKey)
}

func TestTwoStatementsForOneTimelineStopTheHost(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	log := controltest.NewLog(t, td+"/audit").With(t, "a", "b")
	kept := judged(t, pinned(t, k), begins(t, k, 2, log))
	other := begins(t, k, 2, log.With(t, "c"))
	stopped, accepted, err := kept.Judge(other, td, now)
	require.ErrorIs(t, err, timeline.ErrConflict)
	require.False(t, accepted)
	require.Equal(t, string(other.GetStatement()), stopped.Conflict, "it is evidence")
	require.Equal(t, kept.Statement, stopped.Statement)
	require.ErrorIs(t, stopped.Stopped(), timeline.ErrConflict)
	for _, n := range []uint64{1, 2, 3} {
		require.ErrorIs(t, stopped.Follows(n), timeline.ErrConflict)
	}
	for _, m := range []*zerotrustv1.Timeline{begins(t, k, 3, log), begins(t, k, 2, log.With(t, "d")), other} {
		again, accepted, err := stopped.Judge(m, td, now)
		require.ErrorIs(t, err, timeline.ErrConflict, "nothing that comes later ends it")
		require.False(t, accepted)
		require.Equal(t, stopped, again)
	}
}

func TestTheFirstKeyIsPinnedAndNeverReplaced(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	_, thief := newKey(t, td)
	kept := pinned(t, k)
	got, err := kept.Pin(&zerotrustv1.Timeline{RecoveryKey: thief.Public}, 1, td, now)
	require.ErrorIs(t, err, timeline.ErrOtherKey)
	require.Equal(t, kept, got)
	got, err = kept.Pin(&zerotrustv1.Timeline{}, 1, td, now)
	require.NoError(t, err)
	require.Equal(t, kept, got, "saying none takes none away")

	log := controltest.NewLog(t, td+"/audit").With(t, "a")
	for name, m := range map[string]*zerotrustv1.Timeline{
		"no key":                         {RecoveryKey: "x"},
		"the key of the audit log":       {RecoveryKey: log.Key},
		"a key of another trust domain":  {RecoveryKey: func() string { _, f := newKey(t, "other.org"); return f.Public }()},
		"too long":                       {RecoveryKey: strings.Repeat("x", timeline.MaxKey+1)},
		"timeline 2 without a statement": {RecoveryKey: k.Public},
		"one of another key":             {RecoveryKey: k.Public, Statement: begins(t, thief, 2, log).GetStatement()},
		"one of another timeline":        begins(t, k, 3, log),
	} {
		got, err := timeline.Kept{}.Pin(m, 2, td, now)
		require.Error(t, err, name)
		require.Zero(t, got, name)
	}
	got, err = timeline.Kept{}.Pin(begins(t, k, 2, log), 2, td, now)
	require.NoError(t, err, "a host that enrolls after a restore")
	require.Equal(t, uint64(2), got.Number)
	require.NotEmpty(t, got.Statement)
}

func openHost(t *testing.T, dir string) *timeline.Host {
	t.Helper()
	return timeline.Open(timeline.HostConfig{TrustDomain: td, StateDir: dir, Reset: "reset", Log: zap.NewNop(), Now: func() time.Time { return now }})
}

func nothing(timeline.Statement, timeline.Kept) {}

func TestAHostKeepsItsPinAndItsTimeline(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	_, thief := newKey(t, td)
	log := controltest.NewLog(t, td+"/audit").With(t, "a")
	dir := t.TempDir()
	h := openHost(t, dir)
	h.Take(&zerotrustv1.Timeline{RecoveryKey: k.Public}, nothing)
	require.Empty(t, h.Kept().RecoveryKey, "not before its policy is taken")
	h.Taken(1)
	require.Equal(t, k.Public, h.Kept().RecoveryKey)

	h = openHost(t, dir)
	require.Equal(t, k.Public, h.Kept().RecoveryKey)
	h.Take(begins(t, thief, 2, log), nothing)
	err := h.Follows(2)
	require.ErrorIs(t, err, timeline.ErrSignature)
	require.ErrorContains(t, err, "recovery start --after 1")
	require.ErrorContains(t, err, "`reset`")
	h.Taken(1)
	require.Equal(t, k.Public, h.Kept().RecoveryKey)

	var ready bool
	h.Take(begins(t, k, 2, log), func(s timeline.Statement, next timeline.Kept) {
		ready = s.Number == 2 && next.OldVerifierKey == log.Key
		kept, err := timeline.Load(filepath.Join(dir, timeline.FileName), td)
		require.NoError(t, err)
		require.Equal(t, uint64(1), kept.Number, "the host is made ready first")
	})
	require.True(t, ready)
	require.NoError(t, h.Follows(2))
	h = openHost(t, dir)
	require.NoError(t, h.Follows(2))
	require.ErrorIs(t, h.Follows(1), timeline.ErrOlder, "also after a restart")
	h.Take(begins(t, k, 2, log.With(t, "b")), nothing)
	require.ErrorIs(t, h.Stopped(), timeline.ErrConflict)
	require.ErrorIs(t, openHost(t, dir).Stopped(), timeline.ErrConflict, "a restart ends no conflict")

	aside, err := timeline.Retire(dir, now)
	require.NoError(t, err)
	require.FileExists(t, aside)
	h.Stream()
	require.NoError(t, h.Stopped(), "a running host notices its operator")
	require.NoError(t, h.Follows(7), "the first controller that it sees")
	h.Take(begins(t, thief, 7, log), nothing)
	h.Taken(7)
	require.Equal(t, thief.Public, h.Kept().RecoveryKey)
}

// TestAStatementThatWasNotKeptIsNoSecondOne: the disk was full when the timeline began,
// and had room for the policy of it a moment later.
func TestAStatementThatWasNotKeptIsNoSecondOne(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	_, thief := newKey(t, td)
	log := controltest.NewLog(t, td+"/audit").With(t, "a")
	dir := t.TempDir()
	require.NoError(t, timeline.Enrolled(dir, os.Getuid(), &zerotrustv1.Timeline{RecoveryKey: k.Public}, 1, td, now))
	h := openHost(t, dir) // after the restart: what there was when it accepted the statement
	h.Begin(2)
	h.Take(begins(t, thief, 2, log), nothing)
	h.Take(begins(t, thief, 3, log), nothing)
	require.Empty(t, h.Kept().Statement)
	again := false
	h.Take(begins(t, k, 2, log), func(timeline.Statement, timeline.Kept) { again = true })
	require.NoError(t, h.Stopped())
	require.NoError(t, h.Follows(2))
	require.True(t, again, "what a crash has interrupted is repeated")
	h = openHost(t, dir)
	require.NoError(t, h.Follows(2))
	h.Take(begins(t, k, 2, log.With(t, "b")), nothing)
	require.ErrorIs(t, h.Stopped(), timeline.ErrConflict, "another one is")
}

// TestAHostBelievesNoKeyOfAControllerThatItRefuses: whoever restores a stolen backup can
// make a recovery key too.
func TestAHostBelievesNoKeyOfAControllerThatItRefuses(t *testing.T) {
	t.Parallel()
	_, thief := newKey(t, td)
	h := openHost(t, t.TempDir())
	h.Begin(1) // of before there were recovery keys
	h.Take(begins(t, thief, 2, controltest.NewLog(t, td+"/audit").With(t, "a")), nothing)
	require.ErrorIs(t, h.Follows(2), timeline.ErrNoKey)
	require.Empty(t, h.Kept().RecoveryKey)
	h.Stream()
	h.Taken(1) // by the right one, which has no key
	require.Empty(t, h.Kept().RecoveryKey, "what the last controller said does not go on")
}

func TestADamagedFileForgetsNothing(t *testing.T) {
	t.Parallel()
	_, k := newKey(t, td)
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "no key": `{"recovery_key":"x","timeline":1}`, "a timeline without its statement": `{"recovery_key":"` + k.Public + `","timeline":2}`,
		"too large": strings.Repeat(" ", 1<<17),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, timeline.FileName), []byte(text), 0o600))
			h := openHost(t, dir)
			require.Error(t, h.Stopped())
			require.Error(t, h.Follows(1))
			h.Take(&zerotrustv1.Timeline{RecoveryKey: k.Public}, nothing)
			h.Taken(1)
			require.Empty(t, h.Kept().RecoveryKey)
			_, err := timeline.Retire(dir, now)
			require.NoError(t, err)
			h.Stream()
			require.NoError(t, h.Follows(1))
		})
	}
	t.Run("but fields of a later release are passed over", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, timeline.FileName), []byte(`{"recovery_key":"`+k.Public+`","timeline":1,"later":2}`), 0o600))
		require.NoError(t, openHost(t, dir).Follows(1))
	})
}

func FuzzParse(f *testing.F) {
	f.Add(timeline.Statement{TrustDomain: td, Number: 2, Reason: "x"}.Text())
	f.Add("/recovery\n2\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := timeline.Parse(text); err == nil {
			require.Equal(t, text, s.Text())
		}
	})
}

// FuzzJudge: whatever a controller without the recovery key sends, the host stays where
// it is.
func FuzzJudge(f *testing.F) {
	_, k := newKey(f, td)
	_, thief := newKey(f, td)
	log := controltest.NewLog(f, td+"/audit").With(f, "a")
	kept := judged(f, pinned(f, k), begins(f, k, 2, log))
	m := begins(f, thief, 3, log)
	f.Add(m.GetRecoveryKey(), m.GetStatement(), m.GetOldCheckpoint(), m.GetOldVerifierKey())
	f.Add(k.Public, []byte(kept.Statement), []byte(kept.OldCheckpoint), kept.OldVerifierKey)
	f.Fuzz(func(t *testing.T, key string, statement, old []byte, oldKey string) {
		m := &zerotrustv1.Timeline{RecoveryKey: key, Statement: statement, OldCheckpoint: old, OldVerifierKey: oldKey}
		next, accepted, _ := kept.Judge(m, td, now)
		require.False(t, accepted)
		require.Equal(t, kept, next)
		next, _ = kept.Pin(m, 2, td, now)
		require.Equal(t, kept, next)
		_, _ = timeline.Kept{}.Pin(m, 2, td, now)
		_, _ = timeline.ParseKey(key, td)
	})
}

func TestAnotherKeySignsTheStatementToo(t *testing.T) {
	t.Parallel()
	_, first, err := timeline.NewKey(td)
	require.NoError(t, err)
	_, second, err := timeline.NewKey(td)
	require.NoError(t, err)
	_, abroad, err := timeline.NewKey("other.example")
	require.NoError(t, err)
	signed, err := first.Sign(timeline.Statement{TrustDomain: td, Number: 2, Reason: "x"})
	require.NoError(t, err)
	both, err := second.Cosign(signed, first.Public, td)
	require.NoError(t, err)
	for _, k := range []timeline.Key{first, second} {
		s, err := timeline.Verify(both, k.Public, td)
		require.NoError(t, err)
		require.Equal(t, uint64(2), s.Number)
	}
	old := timeline.Kept{RecoveryKey: first.Public, Number: 2, Statement: string(signed)}
	m := &zerotrustv1.Timeline{RecoveryKey: second.Public, Statement: both}
	kept, accepted, err := old.Judge(m, td, time.Unix(0, 0))
	require.NoError(t, err, "it is no other statement for a host that has the first key")
	require.False(t, accepted)
	require.NoError(t, kept.Stopped())
	pinned, err := timeline.Kept{}.Pin(m, 2, td, time.Unix(0, 0))
	require.NoError(t, err)
	require.Equal(t, second.Public, pinned.RecoveryKey)

	for range 20 { // as often as it is lost
		last := second
		_, second, err = timeline.NewKey(td)
		require.NoError(t, err)
		both, err = second.Cosign(both, last.Public, td)
		require.NoError(t, err)
	}
	_, err = second.Cosign(signed, second.Public, td)
	require.ErrorIs(t, err, timeline.ErrSignature, "nobody signs what the former key has not signed")
	_, err = abroad.Cosign(signed, first.Public, td)
	require.ErrorIs(t, err, timeline.ErrKey)
}
