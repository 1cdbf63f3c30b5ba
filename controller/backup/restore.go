package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// RestoreConfig configures Restore. The caller holds the lock of the data directory.
type RestoreConfig struct {
	Dir      string // data directory, which exists
	Contents Contents
	// TrustDomain is that of the replaced contents; empty if it is not known.
	TrustDomain string
	// Keep are the names in the data directory that are not touched: the lock.
	Keep []string
	// Force puts what is there aside.
	Force bool
	// By has actor and source of the audit events.
	By  audit.Event
	Now func() time.Time
	// Progress is called with each step. Optional.
	Progress func(step string)
}

// Restored is what Restore did.
type Restored struct {
	Manifest Manifest
	// Before is where the replaced contents are; empty if there were none.
	Before string
	// Carried are the revocations that the replaced database knew.
	Carried store.Carried
	// Void is how many enrollment tokens of the backup cannot be redeemed any more.
	Void int
	// Lost is why nothing could be carried from a database that is there; nil if it could.
	Lost error
}

const (
	// incomplete is there while contents are exchanged.
	incomplete   = "restore.incomplete"
	stagePrefix  = ".restore-"
	beforePrefix = "before-restore-"
)

// ErrNotEmpty is of a data directory that has contents.
var ErrNotEmpty = errors.New("the data directory is not empty: --force puts its contents aside, into a directory " + beforePrefix + "… there, and carries its revocations over")

// Incomplete says whether a restore of this data directory was interrupted.
func Incomplete(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, incomplete)); err != nil {
		return nil //nolint:nilerr // it is not there
	}
	return fmt.Errorf("a restore into %s was interrupted: run `grpccontroller restore FILE --force` again", dir)
}

// Restore puts a backup into the data directory. Until it has verified everything, it
// changes nothing.
func Restore(ctx context.Context, cfg RestoreConfig, file string) (out Restored, err error) {
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	old, err := cfg.contents()
	if err != nil {
		return out, err
	}
	if len(old) > 0 && !cfg.Force {
		return out, ErrNotEmpty
	}
	stage, err := os.MkdirTemp(cfg.Dir, stagePrefix)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stage)) }()
	cfg.Progress("verifying " + file)
	if out.Manifest, err = extract(ctx, file, cfg.Contents, stage); err != nil {
		return out, atomicfile.Explain(stage, err)
	}
	if cfg.TrustDomain != "" && out.Manifest.TrustDomain != cfg.TrustDomain {
		return out, fmt.Errorf("%w: it is of %q, and what is there is of %q", ErrForeign, out.Manifest.TrustDomain, cfg.TrustDomain)
	}
	for _, e := range out.Manifest.Entries {
		if slices.Contains(cfg.Contents.databases(), e.Name) {
			if err := store.Examine(ctx, filepath.Join(stage, filepath.FromSlash(e.Name)), e.Name == cfg.Contents.Database); err != nil {
				return out, err
			}
		}
	}
	if err := cfg.carry(ctx, stage, &out); err != nil {
		return out, err
	}
	if err := giveTo(cfg.Dir, stage); err != nil {
		return out, err
	}
	cfg.Progress("exchanging the contents of " + cfg.Dir)
	out.Before, err = cfg.exchange(old, stage)
	return out, err
}

// contents names what is in the data directory, apart from what stays there.
func (cfg RestoreConfig) contents() (names []string, err error) {
	all, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		name := e.Name()
		if slices.Contains(cfg.Keep, name) || name == incomplete || strings.HasPrefix(name, stagePrefix) || strings.HasPrefix(name, beforePrefix) {
			continue
		}
		names = append(names, name)
	}
	return names, nil
}

// carry migrates the database of the backup and adds the revocations that the replaced
// ones know, those of an interrupted restore too.
func (cfg RestoreConfig) carry(ctx context.Context, stage string, out *Restored) (err error) {
	cfg.Progress("carrying revocations over")
	s, err := store.Open(ctx, filepath.Join(stage, filepath.FromSlash(cfg.Contents.Database)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	now := cfg.Now().UTC()
	known, err := filepath.Glob(filepath.Join(cfg.Dir, beforePrefix+"*", filepath.FromSlash(cfg.Contents.Database)))
	if err != nil {
		return err
	}
	for _, file := range append(known, filepath.Join(cfg.Dir, filepath.FromSlash(cfg.Contents.Database))) {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		more, err := carryFrom(ctx, s, file, cfg.by(out.Manifest), now)
		if err != nil {
			out.Lost = errors.Join(out.Lost, err)
			continue
		}
		out.Carried.Denials += more.Denials
		out.Carried.Tombstones += more.Tombstones
		out.Carried.Revoked = append(out.Carried.Revoked, more.Revoked...)
	}
	if err := s.MarkRestored(ctx, now); err != nil {
		return err
	}
	if out.Void, err = s.VoidTokens(ctx, cfg.by(out.Manifest), now); err != nil {
		return err
	}
	e := cfg.by(out.Manifest)
	after, err := json.Marshal(map[string]int{"revoked": len(out.Carried.Revoked)})
	if err != nil {
		return err
	}
	e.Time, e.Action, e.Target, e.Outcome, e.After = now, audit.Restore, "controller/"+out.Manifest.ControllerID, audit.Success, string(after)
	return s.AppendAudit(ctx, e)
}

func (cfg RestoreConfig) by(m Manifest) audit.Event {
	e := cfg.By
	e.Reason = "backup of " + m.CreatedAt.Format(time.RFC3339)
	return e
}

// carryFrom opens the replaced database for writing where it has to: a controller that
// was killed leaves a log that only a writer can take in.
func carryFrom(ctx context.Context, into *store.Store, file string, by audit.Event, now time.Time) (out store.Carried, err error) {
	from, err := store.OpenReadOnly(ctx, file)
	if err != nil {
		if from, err = store.Open(ctx, file); err != nil {
			return out, err
		}
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return into.Carry(ctx, from, by, now)
}

// giveTo makes the owner of the data directory that of everything below stage: root
// restores, and another user runs the controller.
func giveTo(dir, stage string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	below, err := os.OpenRoot(stage) // that user may change what is there from now on
	if err != nil {
		return err
	}
	defer func() { _ = below.Close() }()
	return fs.WalkDir(below.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return below.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}

// exchange moves the old contents aside and the new ones in. Whatever interrupts it
// leaves the mark, and nothing is lost.
func (cfg RestoreConfig) exchange(old []string, stage string) (before string, err error) {
	mark := filepath.Join(cfg.Dir, incomplete)
	if err := atomicfile.Write(mark, nil, 0o600); err != nil {
		return "", err
	}
	if len(old) > 0 {
		before = filepath.Join(cfg.Dir, beforePrefix+cfg.Now().UTC().Format("20060102T150405.000Z"))
		if err := os.Mkdir(before, 0o700); err != nil {
			return "", err
		}
		if err := giveTo(cfg.Dir, before); err != nil {
			return "", err
		}
		for _, name := range old {
			if err := os.Rename(filepath.Join(cfg.Dir, name), filepath.Join(before, name)); err != nil {
				return before, err
			}
		}
	}
	staged, err := os.ReadDir(stage)
	if err != nil {
		return before, err
	}
	for _, e := range staged {
		if err := os.Rename(filepath.Join(stage, e.Name()), filepath.Join(cfg.Dir, e.Name())); err != nil {
			return before, err
		}
	}
	if err := syncDir(cfg.Dir); err != nil {
		return before, err
	}
	return before, errors.Join(os.Remove(mark), syncDir(cfg.Dir))
}
