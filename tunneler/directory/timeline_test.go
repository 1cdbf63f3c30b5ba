package directory_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

func recoveryKey(t *testing.T) timeline.Key {
	t.Helper()
	_, k, err := timeline.NewKey(td.Name())
	require.NoError(t, err)
	return k
}

func begins(t *testing.T, k timeline.Key, n uint64, reason string) *zerotrustv1.Timeline {
	t.Helper()
	signed, err := k.Sign(timeline.Statement{TrustDomain: td.Name(), Number: n, Reason: reason})
	require.NoError(t, err)
	return &zerotrustv1.Timeline{RecoveryKey: k.Public, Statement: signed}
}

func (f *fakeController) says(m *zerotrustv1.Timeline) {
	f.raw <- &zerotrustv1.WatchResponse{Timeline: m}
}

// directoryIn sends a whole directory of a timeline, behind what was said before.
func (f *fakeController) directoryIn(n, revision uint64, ids ...string) {
	d := &zerotrustv1.Directory{Revision: revision}
	for _, id := range ids {
		d.Connectors = append(d.Connectors, entry(id, "10.0.0.1:9443"))
	}
	for _, m := range controltest.Directory(d) {
		m.Directory.Header.Timeline = n
		f.raw <- m
	}
}

// anew is what the controller of a watch would not say. Another watch begins.
func (f *fakeController) anew(t *testing.T) {
	t.Helper()
	f.directoryIn(99, 1<<40, "evil")
	f.asked(t)
}

// TestWhatAControllerWouldNotSayHasItAskedAnew: it stands behind the directory that is in
// use, and would not speak again for minutes if nothing changes.
func TestWhatAControllerWouldNotSayHasItAskedAnew(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]func(*fakeController){
		"another timeline":    func(f *fakeController) { f.directoryIn(2, 10, "evil") },
		"the one before":      func(f *fakeController) { f.directoryIn(0, 10, "evil") },
		"an older directory":  func(f *fakeController) { f.directoryIn(1, 5, "evil") },
		"a part of one there": func(f *fakeController) { f.raw <- update(1, 11, 12) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			f := startController(t, ca, controller)
			w := start(t, ca, f.addr, t.TempDir())
			f.asked(t)
			f.directoryIn(1, 9, "a")
			require.Eventually(t, func() bool { return w.Status().Revision == 9 }, soon, time.Millisecond)
			says(f)
			var req *zerotrustv1.WatchRequest
			select {
			case req = <-f.got:
			case <-time.After(soon):
				require.FailNow(t, "the controller was not asked anew")
			}
			require.Equal(t, uint64(9), req.GetDirectory().GetAt())
			m := update(1, 9, 9)
			m.Directory.Header.Digest = req.GetDirectory().GetDigest()
			f.raw <- m
			require.Eventually(t, func() bool { return w.Ready(t.Context()) == nil }, soon, time.Millisecond)
			require.Equal(t, "a", w.Current().Connectors[0].ID)
		})
	}
}

// update has no entries.
func update(timeline, from, to uint64) *zerotrustv1.WatchResponse {
	return &zerotrustv1.WatchResponse{Directory: &zerotrustv1.DirectoryUpdate{Header: &zerotrustv1.UpdateHeader{
		Timeline: timeline, From: from, To: to, Part: 1, Parts: 1, Digest: make([]byte, delta.Size),
	}}}
}

// TestATunnelerFollowsTheRecoveryKeyAlone: into a new timeline, whose directory may be
// older, and never back; also after a restart.
func TestATunnelerFollowsTheRecoveryKeyAlone(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	f := startController(t, ca, controller)
	w := start(t, ca, f.addr, dir)
	f.asked(t)
	k, thief := recoveryKey(t), recoveryKey(t)
	at := func(w *directory.Watcher, revision uint64) {
		t.Helper()
		require.Eventually(t, func() bool { return w.Status().Revision == revision && w.Ready(t.Context()) == nil }, soon, time.Millisecond)
	}
	refused := func(w *directory.Watcher, text string) {
		t.Helper()
		require.Eventually(t, func() bool { return w.Ready(t.Context()) != nil && w.Status().Connected }, soon, time.Millisecond)
		require.ErrorContains(t, w.Ready(t.Context()), text)
		require.ErrorContains(t, w.Ready(t.Context()), "grpctunneler directory reset --yes")
	}
	f.says(&zerotrustv1.Timeline{RecoveryKey: k.Public})
	f.directoryIn(1, 9, "a")
	at(w, 9)
	require.Eventually(t, func() bool { kept, _ := w.Timeline(); return kept.RecoveryKey == k.Public }, soon, time.Millisecond)

	f.anew(t)
	f.says(begins(t, thief, 2, "mine now"))
	f.directoryIn(2, 1<<40, "evil")
	refused(w, "not signed by the recovery key")
	require.Equal(t, uint64(9), w.Status().Revision)
	f.says(begins(t, k, 2, "disk died"))
	f.directoryIn(2, 5, "a", "b")
	at(w, 5)
	f.anew(t)
	f.directoryIn(1, 1<<40, "evil")
	refused(w, "of a timeline before the one that this host follows (2)")
	f.directoryIn(2, 6, "a", "b")
	at(w, 6)

	kept, err := timeline.Load(filepath.Join(dir, timeline.FileName), td.Name())
	require.NoError(t, err)
	require.Equal(t, uint64(2), kept.Number)
	g := startController(t, ca, controller)
	again := start(t, ca, g.addr, dir)
	g.directoryIn(1, 1<<40, "evil")
	refused(again, "of a timeline before")
	g.directoryIn(3, 1<<40, "evil")
	g.says(begins(t, k, 2, "another controller"))
	require.Eventually(t, func() bool { _, stopped := again.Timeline(); return stopped }, soon, time.Millisecond)
	refused(again, "two statements for one timeline")
	g.directoryIn(2, 7, "evil")
	g.says(begins(t, k, 3, "too late"))
	g.directoryIn(3, 8, "evil")
	refused(again, "two statements for one timeline")
	for _, c := range again.Current().Connectors {
		require.NotEqual(t, "evil", c.ID)
	}
}

func TestDropSetsThePinOfAnotherControllerAside(t *testing.T) {
	t.Parallel()
	dir, k := t.TempDir(), recoveryKey(t)
	require.NoError(t, timeline.Enrolled(dir, os.Getuid(), &zerotrustv1.Timeline{RecoveryKey: k.Public}, 1, td.Name(), time.Now()))
	require.NoError(t, directory.Drop(dir, false))
	require.FileExists(t, filepath.Join(dir, timeline.FileName), "the same controller")
	require.NoError(t, directory.Drop(dir, true))
	require.NoFileExists(t, filepath.Join(dir, timeline.FileName))
	require.NoError(t, directory.Drop(dir, true))
}
