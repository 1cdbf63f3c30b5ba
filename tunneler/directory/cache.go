package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const (
	cacheFile = "directory.json"
	// maxCache has room for 200,000 connectors with a few addresses each.
	maxCache = 128 << 20
)

// Store keeps d in stateDir. The running tunneler calls it after every change,
// and enrollment with the first directory.
func Store(stateDir string, d *zerotrustv1.Directory) error {
	raw, err := encode(d)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(stateDir, cacheFile), raw, 0o600)
}

// Drop removes the directory that is kept in stateDir, when the host is enrolled anew;
// whose controller it was does not matter. The timeline and the recovery key of another
// controller are set aside. Denials stay.
func Drop(stateDir string, otherController bool) error {
	err := os.Remove(filepath.Join(stateDir, cacheFile))
	if otherController && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		_, err = timeline.Retire(stateDir, time.Now())
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// StoreFor is Store for a state directory that another user's program will use:
// it makes the directory and gives both to that user.
func StoreFor(stateDir string, uid int, d *zerotrustv1.Directory) error {
	raw, err := encode(d)
	if err != nil {
		return err
	}
	return atomicfile.Give(stateDir, cacheFile, raw, uid)
}

func encode(d *zerotrustv1.Directory) ([]byte, error) {
	raw, err := protojson.MarshalOptions{Multiline: true}.Marshal(d)
	return append(raw, '\n'), err
}

// load returns nil when there is no file. The file's time of change is when a
// controller last confirmed it.
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
	// A later release may have written fields that this one does not know.
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(raw, &d); err != nil {
		return nil, time.Time{}, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, time.Time{}, err
	}
	return &d, info.ModTime(), nil
}

// touch notes that a controller confirmed the kept directory until now. Nothing
// depends on it that the next connection would not mend.
func touch(stateDir string) {
	now := time.Now()
	_ = os.Chtimes(filepath.Join(stateDir, cacheFile), now, now)
}
