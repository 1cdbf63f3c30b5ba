package denial_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

func id(name string) spiffeid.ID {
	return spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/" + name)
}

var now = time.Date(2026, 11, 29, 12, 0, 0, 500, time.UTC)

func TestADenialOnlyTakesAway(t *testing.T) {
	t.Parallel()
	at := now.Add(-time.Minute).Truncate(time.Second)
	var l denial.List
	require.False(t, l.Denies(id("a"), time.Time{}), "nothing is denied yet")
	require.True(t, l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: at}, now))
	require.True(t, l.Denies(id("a"), at.Add(-time.Second)))
	require.False(t, l.Denies(id("a"), at), "the successor of the same second")
	require.False(t, l.Denies(id("b"), at.Add(-time.Hour)), "somebody else")

	require.False(t, l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: at.Add(-time.Hour)}, now), "an earlier time gives nothing back")
	require.True(t, l.Denies(id("a"), at.Add(-time.Second)))
	require.False(t, l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: time.Time{}}, now))
	require.True(t, l.Denies(id("a"), at.Add(-time.Second)))
	require.True(t, l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: at.Add(time.Second)}, now), "a later one takes more")
	require.True(t, l.Denies(id("a"), at))
}

func TestADenialEndsWhenNoSVIDOfBeforeItCanLive(t *testing.T) {
	t.Parallel()
	var l denial.List
	require.False(t, l.Add(denial.Entry{ID: id("old"), SVIDNotBefore: now.Add(-denial.Life - time.Second)}, now), "it is over")
	require.True(t, l.Add(denial.Entry{ID: id("old"), SVIDNotBefore: now.Add(-denial.Life + time.Hour)}, now))
	require.GreaterOrEqual(t, denial.Life, 7*24*time.Hour)
}

// TestADenialFromTheFutureEndsToo: a controller's clock, or its word, makes no denial
// that never ends or reaches SVIDs that are issued much later.
func TestADenialFromTheFutureEndsToo(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{"an hour": now.Add(time.Hour), "the year 9999": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l denial.List
			require.True(t, l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: at}, now))
			require.True(t, l.Denies(id("a"), now))
			require.False(t, l.Denies(id("a"), now.Add(2*time.Minute)))
		})
	}
}

// TestNoNumberOfDenialsPushesOneOut: what has no room denies more, never less.
func TestNoNumberOfDenialsPushesOneOut(t *testing.T) {
	t.Parallel()
	var l denial.List
	first := now.Add(-2 * time.Hour).Truncate(time.Second)
	require.True(t, l.Add(denial.Entry{ID: id("first"), SVIDNotBefore: first}, now))
	for i := range denial.Max + 100 {
		l.Add(denial.Entry{ID: id(fmt.Sprintf("n%d", i)), SVIDNotBefore: now.Add(-time.Hour)}, now)
	}
	require.True(t, l.Denies(id("first"), first.Add(-time.Second)))
	for i := range denial.Max + 100 {
		require.True(t, l.Denies(id(fmt.Sprintf("n%d", i)), now.Add(-time.Hour-2*time.Second)))
	}
	require.False(t, l.Denies(id("nobody"), now), "new SVIDs are good")
	require.True(t, l.Denies(id("nobody"), now.Add(-time.Hour-2*time.Second)), "the list does not grow: what has no room denies everybody's")
}

func message(at time.Time, ids ...string) *zerotrustv1.Denials {
	out := &zerotrustv1.Denials{}
	for _, i := range ids {
		out.Denials = append(out.Denials, &zerotrustv1.Denial{SpiffeId: i, SvidNotBefore: timestamppb.New(at)})
	}
	return out
}

func TestParseLeavesOutWhatIsNoDenial(t *testing.T) {
	t.Parallel()
	good := "spiffe://mycorp.internal/connector/gw"
	for name, d := range map[string]*zerotrustv1.Denial{
		"no id":                 {SvidNotBefore: timestamppb.New(now)},
		"no SPIFFE ID":          {SpiffeId: "gw", SvidNotBefore: timestamppb.New(now)},
		"another trust domain":  {SpiffeId: "spiffe://other.org/tunneler/a", SvidNotBefore: timestamppb.New(now)},
		"a controller":          {SpiffeId: "spiffe://mycorp.internal/controller/c1", SvidNotBefore: timestamppb.New(now)},
		"an agent":              {SpiffeId: "spiffe://mycorp.internal/spire/agent/x509pop/a", SvidNotBefore: timestamppb.New(now)},
		"an id without an end":  {SpiffeId: good + strings.Repeat("a", 4096), SvidNotBefore: timestamppb.New(now)},
		"no time":               {SpiffeId: good},
		"a time of no calendar": {SpiffeId: good, SvidNotBefore: &timestamppb.Timestamp{Seconds: 1 << 60}},
		"nothing":               nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := message(now, good)
			m.Denials = append(m.Denials, d)
			got, left := denial.Parse(m, td)
			require.Equal(t, 1, left)
			require.Len(t, got, 1, "the others count")
		})
	}
	t.Run("more than one message may have", func(t *testing.T) {
		t.Parallel()
		m := &zerotrustv1.Denials{}
		for range denial.MaxMessage + 3 {
			m.Denials = append(m.Denials, message(now, good).GetDenials()...)
		}
		got, left := denial.Parse(m, td)
		require.Len(t, got, denial.MaxMessage)
		require.Equal(t, 3, left)
	})
}

func open(t *testing.T, dir string) (k *denial.Kept, stop func()) {
	t.Helper()
	return start(t, denial.Config{TrustDomain: td, StateDir: dir, SaveAgain: time.Hour, Log: zap.NewNop()})
}

func start(t *testing.T, cfg denial.Config) (k *denial.Kept, stop func()) {
	t.Helper()
	k = denial.Open(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	return k, func() { cancel(); require.NoError(t, <-done) }
}

func TestDenialsAreKeptOverARestart(t *testing.T) {
	t.Parallel()
	dir, at := t.TempDir(), time.Now().Add(-time.Minute)
	k, stop := open(t, dir)
	require.True(t, k.Take(message(at, id("a").String())))
	require.False(t, k.Take(message(at, id("a").String())), "it is known")
	require.True(t, k.Denies(id("a"), at.Add(-time.Minute)), "at once")
	stop()
	info, err := os.Stat(filepath.Join(dir, denial.FileName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	k, stop = open(t, dir)
	defer stop()
	require.True(t, k.Denies(id("a"), at.Add(-time.Minute)))
	require.False(t, k.Denies(id("b"), at.Add(-time.Minute)))
}

// TestDamagingTheFileForgetsNothing: everybody's SVIDs of before it was written are
// refused instead, which those who are not revoked renew.
func TestDamagingTheFileForgetsNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "of another trust domain": `{"denials":[{"spiffe_id":"spiffe://other.org/tunneler/a","svid_not_before":"2026-01-01T00:00:00Z"}]}`,
		"no time":   `{"denials":[{"spiffe_id":"spiffe://mycorp.internal/tunneler/a","svid_not_before":"soon"}]}`,
		"too large": strings.Repeat(" ", 9<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, written := t.TempDir(), time.Now().Add(-time.Hour)
			path := filepath.Join(dir, denial.FileName)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			require.NoError(t, os.Chtimes(path, written, written))
			k, stop := open(t, dir)
			require.True(t, k.Denies(id("a"), written.Add(-time.Second)))
			require.False(t, k.Denies(id("a"), time.Now()))
			stop()
			k, stop = open(t, dir)
			defer stop()
			require.True(t, k.Denies(id("a"), written.Add(-time.Second)), "the next start knows it too")
		})
	}
	t.Run("while none was ever written", func(t *testing.T) {
		t.Parallel()
		k, stop := open(t, t.TempDir())
		defer stop()
		require.False(t, k.Denies(id("a"), time.Time{}))
	})
	t.Run("but fields of a later release are passed over", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, denial.FileName), []byte(`{"denials":[],"timeline":2}`), 0o600))
		k, stop := open(t, dir)
		defer stop()
		require.False(t, k.Denies(id("a"), time.Unix(0, 0)))
	})
}

// FuzzParse: whatever a peer sends, nothing that was denied is admitted again, and
// controllers are never denied.
func FuzzParse(f *testing.F) {
	f.Add("spiffe://mycorp.internal/tunneler/a", int64(1795953600), int32(0))
	f.Add("spiffe://mycorp.internal/controller/c1", int64(1795953600), int32(-1))
	f.Add("", int64(1)<<62, int32(1))
	f.Fuzz(func(t *testing.T, name string, seconds int64, nanos int32) {
		at := now.Add(-time.Minute)
		var l denial.List
		l.Add(denial.Entry{ID: id("a"), SVIDNotBefore: at}, now)
		got, left := denial.Parse(&zerotrustv1.Denials{Denials: []*zerotrustv1.Denial{
			{SpiffeId: name, SvidNotBefore: &timestamppb.Timestamp{Seconds: seconds, Nanos: nanos}},
		}}, td)
		require.Equal(t, 1, len(got)+left)
		for _, e := range got {
			require.True(t, e.ID.MemberOf(td))
			l.Add(e, now)
		}
		require.True(t, l.Denies(id("a"), at.Add(-time.Second)))
		require.False(t, l.Denies(spiffeid.RequireFromString("spiffe://mycorp.internal/controller/c1"), time.Time{}))
		require.False(t, l.Denies(id("a"), now.Add(2*time.Minute)))
	})
}

// TestTakeSaysAboutWhomMoreIsDenied: a connector looks at the sessions of those only.
func TestTakeSaysAboutWhomMoreIsDenied(t *testing.T) {
	t.Parallel()
	k := denial.Open(denial.Config{TrustDomain: td, Log: zap.NewNop()})
	at := time.Now().Add(-time.Hour).UTC()
	take := func(entries ...denial.Entry) ([]spiffeid.ID, bool) { return k.TakeEach(denial.Message(entries, false)) }
	about, everybody := take(denial.Entry{ID: id("a"), SVIDNotBefore: at}, denial.Entry{ID: id("b"), SVIDNotBefore: at})
	require.Equal(t, []spiffeid.ID{id("a"), id("b")}, about)
	require.False(t, everybody)
	about, everybody = take(denial.Entry{ID: id("a"), SVIDNotBefore: at}, denial.Entry{ID: id("b"), SVIDNotBefore: at.Add(time.Minute)})
	require.Equal(t, []spiffeid.ID{id("b")}, about, "what was denied before is no news")
	require.False(t, everybody)
	for i := range denial.Max { // the oldest have no room: everybody's SVIDs of before are denied
		_, over := take(denial.Entry{ID: id(fmt.Sprintf("more-%d", i)), SVIDNotBefore: at.Add(10 * time.Minute)})
		everybody = everybody || over
	}
	require.True(t, everybody)
}
