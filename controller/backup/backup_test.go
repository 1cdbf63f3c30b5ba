package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	td       = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	contents = backup.Contents{
		Database: "controller.db", Databases: []string{"spire/server/datastore.sqlite3"}, SealKey: "seal.key",
		Files: []string{"bootstrap", "release.key", "spire/server/keys.json"},
	}
	at = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
)

// site is a data directory whose controller runs.
type site struct {
	dir   string
	store *store.Store
	fleet *fleet.Fleet
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	for name, text := range map[string]string{
		"bootstrap/ca.key": "ca key", "bootstrap/ca.crt": "ca", "seal.key": "seal", "spire/server/keys.json": "{}", "run.json": "{}", "lock": "",
	} {
		path := filepath.Join(s.dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	datastore, err := store.Open(t.Context(), storetest.File(t, filepath.Join(s.dir, "spire", "server", "datastore.sqlite3")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, datastore.Close()) })
	s.open(t)
	return s
}

func (s *site) open(t *testing.T) {
	t.Helper()
	var err error
	s.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(s.dir, "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.store.Close() })
	s.fleet = fleet.New(fleet.Config{
		Store: s.store, Roster: presence.NewRoster(time.Now), Changed: &enrolltest.Changes{}, Audit: audit.New(zap.NewNop(), time.Now), Now: time.Now,
	})
}

// enroll returns the host of the last one; each has its own.
func (s *site) enroll(t *testing.T, ids ...string) (host identity.HostID) {
	t.Helper()
	for _, id := range ids {
		host = identity.NewHostID()
		agent, err := host.AgentID(td)
		require.NoError(t, err)
		require.NoError(t, s.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
			return tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: time.Now()})
		}))
		s.enrollOn(t, host, id)
	}
	return host
}

func (s *site) enrollOn(t *testing.T, host identity.HostID, ids ...string) {
	t.Helper()
	require.NoError(t, s.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for _, id := range ids {
			if err := tx.PutMember(t.Context(), fleet.Member{Workload: connector(id), HostID: host, EnrolledAt: time.Now()}); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *site) hostOf(t *testing.T, id string) identity.HostID {
	t.Helper()
	all, err := s.store.Connectors(t.Context())
	require.NoError(t, err)
	return all[slices.IndexFunc(all, func(c fleet.Connector) bool { return c.ID == id })].HostID
}

func connector(id string) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: id}
}

func (s *site) revoke(t *testing.T, id string) {
	t.Helper()
	require.NoError(t, s.fleet.Revoke(t.Context(), fleet.Revocation{Workload: connector(id), Actor: "key:test"}))
}

// members are "id" of each that lives and "-id" of each revoked one.
func (s *site) members(t *testing.T) (out []string) {
	t.Helper()
	all, err := s.store.Connectors(t.Context())
	require.NoError(t, err)
	for _, c := range all {
		mark := ""
		if !c.Live() {
			mark = "-"
		}
		out = append(out, mark+c.ID)
	}
	return out
}

func (s *site) backup(t *testing.T, change ...func(*backup.MakeConfig)) (file string, made backup.Made) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "backup.tar")
	cfg := s.make()
	for _, c := range change {
		c(&cfg)
	}
	made, err := backup.Make(t.Context(), cfg, file)
	require.NoError(t, err)
	return file, made
}

func (s *site) make() backup.MakeConfig {
	return backup.MakeConfig{
		Dir: s.dir, Contents: contents, Now: func() time.Time { return at }, Manifest: backup.Manifest{TrustDomain: td.Name(), ControllerID: "c1", Version: "v1"},
	}
}

func (s *site) config(force bool) backup.RestoreConfig {
	return backup.RestoreConfig{
		Dir: s.dir, Contents: contents, TrustDomain: td.Name(), Keep: []string{"lock"}, Force: force, Now: time.Now,
		By: audit.Event{Actor: "local", Source: "uid 0"},
	}
}

func (s *site) restore(t *testing.T, file string, force bool) (backup.Restored, error) {
	t.Helper()
	require.NoError(t, s.store.Close())
	out, err := backup.Restore(t.Context(), s.config(force), file)
	s.open(t)
	return out, err
}

func (s *site) read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(t, err)
	return string(raw)
}

// entries are the names and contents of a backup.
func entries(t *testing.T, file string) (names []string, data map[string][]byte) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { _ = f.Close() }()
	data = map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF { //nolint:errorlint // as documented
			return names, data
		}
		require.NoError(t, err)
		require.Equal(t, int64(0o600), h.Mode)
		data[h.Name], err = io.ReadAll(r)
		require.NoError(t, err)
		names = append(names, h.Name)
	}
}

func TestABackupIsMadeWhileTheControllerRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "a")
	file, made := s.backup(t)
	names, _ := entries(t, file)
	require.Equal(t, []string{
		"manifest.json", "bootstrap/ca.crt", "bootstrap/ca.key", "spire/server/keys.json", "spire/server/datastore.sqlite3", "controller.db", "manifest.sha256",
	}, names, "no seal key, lock or address; our own database is the newest")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.Equal(t, made.Size, info.Size())
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	require.Equal(t, hex.EncodeToString(sum[:]), made.SHA256)
	beside, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, beside, 1, "nothing else is left there")

	s.enroll(t, "b")
	require.Equal(t, []string{"a", "b"}, s.members(t), "the controller goes on")
	out, err := s.restore(t, file, true)
	require.NoError(t, err)
	require.True(t, out.Manifest.SPIRE)
	require.Equal(t, []string{"a"}, s.members(t))
	require.Equal(t, "ca key", s.read(t, "bootstrap/ca.key"))
	require.NoFileExists(t, filepath.Join(s.dir, "seal.key"))
	require.NoFileExists(t, filepath.Join(s.dir, "run.json"))
	require.FileExists(t, filepath.Join(s.dir, "lock"))
	require.FileExists(t, filepath.Join(out.Before, "seal.key"), "what was there is put aside")
	require.NoError(t, backup.Incomplete(s.dir))
	events, err := s.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, audit.Restore, events[len(events)-1].Action)
	require.Equal(t, "backup of 2026-11-29T12:00:00Z", events[len(events)-1].Reason)
}

func TestTheSealKeyIsBackedUpOnRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file, made := s.backup(t, func(c *backup.MakeConfig) { c.SealKey = true })
	require.True(t, made.Manifest.SealKey)
	_, data := entries(t, file)
	require.Equal(t, "seal", string(data["seal.key"]))
	require.NoError(t, os.Remove(filepath.Join(s.dir, "seal.key")))
	cfg := s.make()
	cfg.SealKey = true
	_, err := backup.Make(t.Context(), cfg, filepath.Join(t.TempDir(), "b"))
	require.ErrorIs(t, err, fs.ErrNotExist, "and never left out without a word")
}

func TestABackupOverwritesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "there")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	_, err := backup.Make(t.Context(), s.make(), file)
	require.ErrorIs(t, err, fs.ErrExist)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "mine", string(raw))
}

func TestABackupThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, spoil := range map[string]func(*backup.MakeConfig) context.Context{
		"canceled": func(*backup.MakeConfig) context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		},
		"no database": func(c *backup.MakeConfig) context.Context { c.Contents.Database = "none.db"; return t.Context() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, dir := s.make(), t.TempDir()
			ctx := spoil(&cfg)
			_, err := backup.Make(ctx, cfg, filepath.Join(dir, "b"))
			require.Error(t, err)
			left, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestKeysThatChangeMeanwhileAreReadAgain: a journal in SPIRE's datastore names keys
// that are in a file.
func TestKeysThatChangeMeanwhileAreReadAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	keys := filepath.Join(s.dir, "spire", "server", "keys.json")
	changes := func(times int) func(string) {
		return func(step string) {
			if strings.HasPrefix(step, "copying spire") && times > 0 {
				times--
				require.NoError(t, os.WriteFile(keys, fmt.Appendf(nil, `{"rotated":%d}`, times), 0o600))
			}
		}
	}
	file, _ := s.backup(t, func(c *backup.MakeConfig) { c.Progress = changes(2) })
	_, data := entries(t, file)
	require.JSONEq(t, `{"rotated":0}`, string(data["spire/server/keys.json"]))
	cfg := s.make()
	cfg.Progress = changes(1000)
	_, err := backup.Make(t.Context(), cfg, filepath.Join(t.TempDir(), "b"))
	require.ErrorIs(t, err, backup.ErrChanging)
}

// TestARestoreCarriesRevocationsOver: whoever was revoked after the backup would be
// enrolled again.
func TestARestoreCarriesRevocationsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "gone", "replaced", "stays")
	file, _ := s.backup(t)
	s.revoke(t, "gone")
	s.revoke(t, "replaced")
	s.enroll(t, "replaced", "later")
	out, err := s.restore(t, file, true)
	require.NoError(t, err)
	require.NoError(t, out.Lost)
	require.ElementsMatch(t, []string{"connector/gone", "connector/replaced"}, out.Carried.Revoked)
	require.Equal(t, []string{"-gone", "-replaced", "stays"}, s.members(t))
	stones, err := s.store.Tombstones(t.Context(), "", 9, time.Now())
	require.NoError(t, err)
	require.Len(t, stones, 2)
	denials, err := s.store.Denials(t.Context(), 0, time.Unix(0, 0))
	require.NoError(t, err)
	require.Len(t, denials, 2)
	events, err := s.store.AuditSince(t.Context(), time.Time{})
	require.NoError(t, err)
	revoked := 0
	for _, e := range events {
		if e.Action == audit.MemberRevoke {
			revoked++
			require.Equal(t, "local", e.Actor)
		}
	}
	require.Equal(t, 2, revoked)

	t.Log("also by a second restore of the same backup")
	out, err = s.restore(t, file, true)
	require.NoError(t, err)
	require.Equal(t, []string{"-gone", "-replaced", "stays"}, s.members(t))
	require.NotEmpty(t, out.Before)
}

// TestARevokedMemberOfAHostThatStaysIsRevoked: the host has another member, so it has no
// tombstone, and the id was enrolled elsewhere meanwhile.
func TestARevokedMemberOfAHostThatStaysIsRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enrollOn(t, s.enroll(t, "stays"), "moved", "again")
	file, _ := s.backup(t)
	s.revoke(t, "moved")
	s.revoke(t, "again")
	s.enroll(t, "moved")
	s.enrollOn(t, s.hostOf(t, "stays"), "again")
	require.Equal(t, []string{"again", "moved", "stays"}, s.members(t))
	out, err := s.restore(t, file, true)
	require.NoError(t, err)
	require.NoError(t, out.Lost)
	require.Equal(t, []string{"connector/moved"}, out.Carried.Revoked)
	require.Equal(t, []string{"-moved", "again", "stays"}, slices.SortedFunc(slices.Values(s.members(t)), strings.Compare))
}

// TestARestoredDatabaseSaysThatItIs: the controller collects what its connectors hold
// before it admits anybody; see policy.Recall.
func TestARestoredDatabaseSaysThatItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	at, err := s.store.RestoredAt(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero())
	file, _ := s.backup(t)
	_, err = s.restore(t, file, true)
	require.NoError(t, err)
	at, err = s.store.RestoredAt(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.NoError(t, s.store.EndRecall(t.Context(), audit.Event{Time: time.Now(), Actor: "controller/c1", Action: audit.DenialsCollect, Outcome: audit.Success}))
	at, err = s.store.RestoredAt(t.Context())
	require.NoError(t, err)
	require.True(t, at.IsZero())
}

// TestTokensOfABackupAreVoid: whoever was enrolled with one after the backup, and was
// revoked, would come back by it.
func TestTokensOfABackupAreVoid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Now().UTC()
	token := func(id string, change func(*enroll.Token)) {
		tok := enroll.Token{ID: id, Workload: connector(id), CreatedAt: now, ExpiresAt: now.Add(time.Hour), Delivery: enroll.Plain}
		change(&tok)
		require.NoError(t, s.store.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.InsertToken(t.Context(), tok, []byte(id)) }))
	}
	token("open", func(*enroll.Token) {})
	token("spent", func(tok *enroll.Token) { tok.ClaimedAt = now })
	token("revoked", func(tok *enroll.Token) { tok.RevokedAt = now.Add(-time.Minute) })
	token("expired", func(tok *enroll.Token) { tok.ExpiresAt = now.Add(-time.Minute) })
	file, _ := s.backup(t)
	out, err := s.restore(t, file, true)
	require.NoError(t, err)
	require.Equal(t, 1, out.Void)
	tokens, err := enrolltest.Tokens(t.Context(), s.store)
	require.NoError(t, err)
	states := map[string]enroll.State{}
	for _, tok := range tokens {
		states[tok.ID] = tok.State(time.Now())
	}
	require.Equal(t, map[string]enroll.State{"open": enroll.Revoked, "spent": enroll.Redeemed, "revoked": enroll.Revoked, "expired": enroll.Expired}, states)
}

func TestADatabaseThatCannotBeReadIsSaid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "a")
	file, _ := s.backup(t)
	require.NoError(t, s.store.Close())
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(filepath.Join(s.dir, "controller.db"+suffix))
	}
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "controller.db"), []byte("garbage"), 0o600))
	out, err := backup.Restore(t.Context(), s.config(true), file)
	require.NoError(t, err)
	require.Error(t, out.Lost)
	s.open(t)
	require.Equal(t, []string{"a"}, s.members(t))
}

func TestRestoreNeedsAnEmptyDirectoryOrForce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file, _ := s.backup(t)
	s.enroll(t, "a")
	_, err := s.restore(t, file, false)
	require.ErrorIs(t, err, backup.ErrNotEmpty)
	require.Equal(t, []string{"a"}, s.members(t), "nothing was changed")

	empty := &site{dir: t.TempDir()}
	cfg := empty.config(false)
	cfg.TrustDomain = "" // nobody knows
	out, err := backup.Restore(t.Context(), cfg, file)
	require.NoError(t, err)
	require.Empty(t, out.Before)
	empty.open(t)
	require.Empty(t, empty.members(t))
}

// tarOf writes entries in their order.
func tarOf(t *testing.T, names []string, data map[string][]byte, change func(*tar.Header)) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data[name])), Mode: 0o600}
		if change != nil {
			change(h)
		}
		require.NoError(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write(data[name])
			require.NoError(t, err)
		}
	}
	require.NoError(t, w.Close())
	file := filepath.Join(t.TempDir(), "b.tar")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	return file
}

// endless is a tar file whose list of contents has a terabyte, of which the first 5 MiB
// are there: whoever reads on to its end reads into memory.
func endless(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "manifest.json", Size: 1 << 40, Mode: 0o600}))
	_, err := w.Write(make([]byte, 5<<20))
	require.NoError(t, err)
	return out.Bytes()
}

// TestRestoreRefusesWhatIsNoBackup: and changes nothing.
func TestRestoreRefusesWhatIsNoBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "a")
	file, _ := s.backup(t)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	names, data := entries(t, file)
	plain := func(raw []byte) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			path := filepath.Join(t.TempDir(), "b.tar")
			require.NoError(t, os.WriteFile(path, raw, 0o600))
			return path
		}
	}
	// manifest makes a backup whose manifest was changed, with the right checksum.
	manifest := func(change func(*backup.Manifest)) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			var m backup.Manifest
			require.NoError(t, json.Unmarshal(data["manifest.json"], &m))
			change(&m)
			own := map[string][]byte{}
			for name, raw := range data {
				own[name] = raw
			}
			raw, err := json.Marshal(m)
			require.NoError(t, err)
			sum := sha256.Sum256(raw)
			own["manifest.json"], own["manifest.sha256"] = raw, []byte(hex.EncodeToString(sum[:])+"\n")
			order := []string{"manifest.json"}
			for _, e := range m.Entries {
				order = append(order, e.Name)
			}
			return tarOf(t, append(order, "manifest.sha256"), own, nil)
		}
	}
	flipped := bytes.Clone(whole)
	flipped[bytes.Index(whole, data["controller.db"])+5000] ^= 1
	for name, c := range map[string]struct {
		file func(*testing.T) string
		want string
	}{
		"empty":              {plain(nil), "damaged"},
		"no tar":             {plain([]byte(strings.Repeat("x", 4096))), "damaged"},
		"cut":                {plain(whole[:len(whole)/2]), "damaged"},
		"without its end":    {func(t *testing.T) string { t.Helper(); return tarOf(t, names[:len(names)-1], data, nil) }, "damaged"},
		"a bit that flipped": {plain(flipped), "is not what was backed up"},
		"something at its end": {func(t *testing.T) string {
			t.Helper()
			return tarOf(t, append(names[:len(names):len(names)], "more"), data, nil)
		}, "something follows"},
		"another order": {func(t *testing.T) string {
			t.Helper()
			return tarOf(t, append([]string{names[1]}, names...), data, nil)
		}, "damaged"},
		"a link": {func(t *testing.T) string {
			t.Helper()
			return tarOf(t, names, data, func(h *tar.Header) {
				if h.Name == "bootstrap/ca.key" {
					h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, "/etc/shadow", 0
				}
			})
		}, "damaged"},
		"a path out of the directory": {manifest(func(m *backup.Manifest) { m.Entries[0].Name = "bootstrap/../../x" }), "no file of a backup"},
		"an absolute path":            {manifest(func(m *backup.Manifest) { m.Entries[0].Name = "/etc/cron.d/x" }), "no file of a backup"},
		"a file of another kind":      {manifest(func(m *backup.Manifest) { m.Entries[0].Name = "lock" }), "no file of a backup"},
		"one file twice":              {manifest(func(m *backup.Manifest) { m.Entries = append(m.Entries, m.Entries[0]) }), "no file of a backup"},
		"no database":                 {manifest(func(m *backup.Manifest) { m.Entries = m.Entries[:len(m.Entries)-1] }), "controller.db is missing"},
		"more files than a backup has": {manifest(func(m *backup.Manifest) {
			for i := range 10_000 {
				m.Entries = append(m.Entries, backup.Entry{Name: fmt.Sprintf("bootstrap/%d", i)})
			}
		}), "it lists more than 10000 files"},
		"a list of contents without an end": {plain(endless(t)), "manifest.json is too large"},
		"a negative size":                   {manifest(func(m *backup.Manifest) { m.Entries[0].Size = -1 }), "no file of a backup"},
		"a later format":                    {manifest(func(m *backup.Manifest) { m.Format = 2 }), "format 2"},
		"another trust domain":              {manifest(func(m *backup.Manifest) { m.TrustDomain = "other.example" }), "another trust domain"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := c.file(t)
			before, err := os.ReadDir(s.dir)
			require.NoError(t, err)
			_, err = backup.Restore(t.Context(), s.config(true), bad)
			require.ErrorContains(t, err, c.want)
			after, err := os.ReadDir(s.dir)
			require.NoError(t, err)
			require.Len(t, after, len(before), "nothing is left")
			require.Equal(t, []string{"a"}, s.members(t))
		})
	}
}

// TestAnInterruptedRestoreIsMarked: the controller must not start on half of it.
func TestAnInterruptedRestoreIsMarked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "a", "gone")
	file, _ := s.backup(t)
	s.revoke(t, "gone")
	require.NoError(t, s.store.Close())
	// What a power loss leaves: the mark, and the old contents put aside.
	before := filepath.Join(s.dir, "before-restore-1")
	require.NoError(t, os.Mkdir(before, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "restore.incomplete"), nil, 0o600))
	moved, err := filepath.Glob(filepath.Join(s.dir, "controller.db*"))
	require.NoError(t, err)
	for _, path := range moved {
		require.NoError(t, os.Rename(path, filepath.Join(before, filepath.Base(path))))
	}
	require.ErrorContains(t, backup.Incomplete(s.dir), "grpccontroller restore FILE --force")

	out, err := backup.Restore(t.Context(), s.config(true), file)
	require.NoError(t, err)
	require.Equal(t, []string{"connector/gone"}, out.Carried.Revoked, "from what was put aside")
	require.NoError(t, backup.Incomplete(s.dir))
	s.open(t)
	require.Equal(t, []string{"a", "-gone"}, s.members(t))
}

// FuzzRestore: whatever the file is, nothing is written outside of the directory and
// nothing in it is changed.
func FuzzRestore(f *testing.F) {
	f.Add([]byte("manifest.json"))
	f.Add([]byte(`{"format":1,"entries":[{"name":"../x","size":1}]}`))
	f.Fuzz(func(t *testing.T, manifest []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "data")
		require.NoError(t, os.Mkdir(dir, 0o700))
		file := tarOf(t, []string{"manifest.json", "manifest.sha256"}, map[string][]byte{"manifest.json": manifest}, nil)
		_, err := backup.Restore(t.Context(), backup.RestoreConfig{Dir: dir, Contents: contents, Now: time.Now}, file)
		require.Error(t, err)
		for _, d := range []string{parent, dir} {
			left, err := os.ReadDir(d)
			require.NoError(t, err)
			require.Len(t, left, map[string]int{parent: 1, dir: 0}[d])
		}
	})
}
