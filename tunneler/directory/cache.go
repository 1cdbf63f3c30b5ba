package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	cacheFile = "directory.json"
	// maxCache has room for every directory that a controller can send in one message.
	maxCache = 4 * wire.MaxFromController
)

// Store keeps d in stateDir. The running tunneler calls it after every change,
// and enrollment with the first directory.
func Store(stateDir string, d *zerotrustv1.Directory) error {
	raw, err := protojson.MarshalOptions{Multiline: true}.Marshal(d)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(stateDir, cacheFile), append(raw, '\n'), 0o600)
}

// StoreFor is Store for a state directory that another user's program will use:
// it makes the directory and gives both to that user.
func StoreFor(stateDir string, uid int, d *zerotrustv1.Directory) error {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return err
	}
	if err := Store(stateDir, d); err != nil {
		return err
	}
	if uid == os.Getuid() {
		return nil
	}
	return errors.Join(os.Chown(stateDir, uid, -1), os.Chown(filepath.Join(stateDir, cacheFile), uid, -1))
}

// load returns nil when there is no file. The file's time of change is when a
// controller last stood behind it.
func load(stateDir string) (*zerotrustv1.Directory, time.Time, error) {
	path := filepath.Join(stateDir, cacheFile)
	raw, err := atomicfile.Read(path, maxCache)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	var d zerotrustv1.Directory
	if err := protojson.Unmarshal(raw, &d); err != nil {
		return nil, time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	return &d, info.ModTime(), nil
}

// touch notes that a controller stood behind the kept directory until now. Nothing
// depends on it that the next connection would not mend.
func touch(stateDir string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(stateDir, cacheFile), now, now)
}
