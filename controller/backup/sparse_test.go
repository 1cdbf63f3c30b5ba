package backup_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
)

// TestARestoreTakesNoHoles: a file of a few KiB could have a hole of any size, which would
// fill the disk with zeros. This one has 8 MiB, and is right in all else.
func TestARestoreTakesNoHoles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enroll(t, "a")
	file, _ := s.backup(t)
	names, data := entries(t, file)
	const size = 8 << 20
	data = maps.Clone(data)
	var m backup.Manifest
	require.NoError(t, json.Unmarshal(data["manifest.json"], &m))
	zeros := sha256.Sum256(make([]byte, size))
	hole := m.Entries[0].Name
	m.Entries[0].Size, m.Entries[0].SHA256 = size, hex.EncodeToString(zeros[:])
	raw, err := json.Marshal(m)
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	data["manifest.json"], data["manifest.sha256"] = raw, []byte(hex.EncodeToString(sum[:])+"\n")
	data[hole] = make([]byte, 512)
	copy(data[hole], "1\n"+strconv.Itoa(size)+"\n0\n") // no bytes but the end
	bad := tarOf(t, names, data, func(h *tar.Header) {
		if h.Name == hole {
			// The library writes no records of this name.
			h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{
				"GNU/sparse.major": "1", "GNU/sparse.minor": "0", "GNU/sparse.realsize": strconv.Itoa(size), "GNU/sparse.name": hole,
			}
		}
	})
	written, err := os.ReadFile(bad)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(bad, bytes.ReplaceAll(written, []byte("GNU/sparse."), []byte("GNU.sparse.")), 0o600))
	_, err = s.restore(t, bad, true)
	require.ErrorIs(t, err, backup.ErrDamaged)
	require.Equal(t, []string{"a"}, s.members(t))
}
