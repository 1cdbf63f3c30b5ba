package mtls

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// SocketPath returns the file of a unix Workload API address.
func SocketPath(addr string) (string, error) {
	u, err := url.Parse(addr)
	if err != nil || u.Scheme != "unix" || !filepath.IsAbs(u.Path) {
		return "", fmt.Errorf("workload API address %q must be of the form unix:///absolute/path", addr)
	}
	return u.Path, nil
}

// waitForSocket returns once the socket exists. It is woken by inotify on the
// nearest directory that exists, so there is no polling interval to wait out.
func waitForSocket(ctx context.Context, addr string, log *zap.Logger) error {
	path, err := SocketPath(addr)
	if err != nil {
		return err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch for the Workload API socket: %w", err)
	}
	defer func() { _ = w.Close() }()

	for said := false; ; {
		// Watch first, look second: a socket made in between is not missed.
		dir, err := watchNearest(w, filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("watch for the Workload API socket: %w", err)
		}
		if info, err := os.Stat(path); err == nil {
			if info.Mode().Type()&fs.ModeSocket == 0 {
				return fmt.Errorf("%s is not a socket: check SPIFFE_ENDPOINT_SOCKET", path)
			}
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("workload API socket: %w: check the permissions of its directory", err)
		}
		// A directory made after the watch tried it, and before the watch on its
		// parent, has sent no event.
		if dir != filepath.Dir(path) && exists(below(dir, path)) {
			_ = w.Remove(dir)
			continue
		}
		if !said {
			log.Info("waiting for the workload api socket, is the agent running?", zap.String("socket", path))
			said = true
		}
		select {
		case <-w.Events:
		case err := <-w.Errors:
			return fmt.Errorf("watch for the Workload API socket: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("no Workload API socket at %s (start the agent: `agent run`, or the unit spire-agent): %w", path, ctx.Err())
		}
		_ = w.Remove(dir)
	}
}

// watchNearest watches dir or, where it does not exist yet, its nearest ancestor.
func watchNearest(w *fsnotify.Watcher, dir string) (string, error) {
	for {
		err := w.Add(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return dir, err
		}
		dir = filepath.Dir(dir)
	}
}

// below is the entry of dir on the way to path.
func below(dir, path string) string {
	for filepath.Dir(path) != dir {
		path = filepath.Dir(path)
	}
	return path
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
