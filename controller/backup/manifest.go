package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Contents says what of a data directory is backed up, by slash-separated paths in it.
type Contents struct {
	// Database is the controller's own database.
	Database string
	// Databases are SQLite databases of SPIRE's. One that does not exist is left out.
	Databases []string
	// Files are files and directories that are copied as they are. One that does not
	// exist is left out.
	Files []string
	// SealKey is a file that is backed up only on request.
	SealKey string
}

// databases are all of them, our own last: it may then know more than the others, which
// the controller makes equal to it, and not less.
func (c Contents) databases() []string { return append(slices.Clone(c.Databases), c.Database) }

// allows says whether a name may be in a backup.
func (c Contents) allows(name string) bool {
	if name != path.Clean(name) || !filepath.IsLocal(filepath.FromSlash(name)) {
		return false
	}
	if slices.Contains(c.databases(), name) || name == c.SealKey {
		return true
	}
	return slices.ContainsFunc(c.Files, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}

const (
	// format of the files that this release writes.
	format = 1
	// manifestName is the first entry of a backup, checksumName the last: the SHA-256 of
	// the manifest, which has those of all others.
	manifestName, checksumName = "manifest.json", "manifest.sha256"
	maxManifest                = 4 << 20
	maxEntries                 = 10_000
)

// Manifest says what a backup is of.
type Manifest struct {
	Format       int       `json:"format"`
	TrustDomain  string    `json:"trust_domain"`
	ControllerID string    `json:"controller_id"`
	Version      string    `json:"version"`
	CreatedAt    time.Time `json:"created_at"`
	// SPIRE says whether SPIRE's datastore and keys are in it.
	SPIRE   bool    `json:"spire"`
	SealKey bool    `json:"seal_key"`
	Entries []Entry `json:"entries"`
}

// Entry is one file of a backup.
type Entry struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Errors of a file that is no backup for this controller.
var (
	ErrDamaged = errors.New("the backup is damaged or incomplete: use another one")
	ErrForeign = errors.New("the backup is of another trust domain: use a backup of this controller, or an empty data directory")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// parseManifest reads what may come from anybody.
func parseManifest(raw []byte, c Contents) (m Manifest, err error) {
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, damaged("its list of contents: %v", err)
	}
	if m.Format != format {
		return m, fmt.Errorf("the backup has format %d, this release reads format %d: use the release that wrote it (%q)", m.Format, format, m.Version)
	}
	if len(m.Entries) > maxEntries {
		return m, damaged("it lists more than %d files", maxEntries)
	}
	seen := map[string]bool{}
	for _, e := range m.Entries {
		if !c.allows(e.Name) || seen[e.Name] || e.Size < 0 {
			return m, damaged("%q is no file of a backup", e.Name)
		}
		seen[e.Name] = true
	}
	if !seen[c.Database] {
		return m, damaged("%s is missing", c.Database)
	}
	return m, nil
}
