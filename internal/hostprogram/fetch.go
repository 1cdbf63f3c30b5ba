package hostprogram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

const (
	// maxDocument is more than a bounded Document can have.
	maxDocument = 1 << 20
	// fetchTimeout covers the probes of the checks, which take two seconds at most.
	fetchTimeout = 5 * time.Second
)

// ErrOther says that something answers at the address which is not our program.
var ErrOther = errors.New("another program answers there")

// Fetch reads the Document of the program whose health listener is at addr.
func Fetch(ctx context.Context, addr, program string) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+StatusPath, nil)
	if err != nil {
		return Document{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy, whatever the environment says
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return Document{}, health.Explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument))
	if err != nil {
		return Document{}, err
	}
	var d Document
	if resp.StatusCode != http.StatusOK || json.Unmarshal(raw, &d) != nil || d.Program == "" {
		return Document{}, fmt.Errorf("%w: HTTP status %d", ErrOther, resp.StatusCode)
	}
	if d.Program != program {
		return Document{}, fmt.Errorf("%w: %.40q", ErrOther, d.Program)
	}
	return d, nil
}

// Address is where a program with this HEALTH_ADDR is: with port 0, run.json in its
// state directory says so.
func Address(healthAddr, stateDir string) (string, error) {
	_, port, err := net.SplitHostPort(healthAddr)
	if err != nil || port != "0" || stateDir == "" {
		return healthAddr, err
	}
	raw, err := atomicfile.Read(filepath.Join(stateDir, runFile), 64<<10)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("no %s in %s, which a program with HEALTH_ADDR=%s writes while it runs: if it runs, name its directory with --state-dir", runFile, stateDir, healthAddr)
	}
	if err != nil {
		return "", err
	}
	var at struct {
		Health string `json:"health"`
	}
	if err := json.Unmarshal(raw, &at); err != nil {
		return "", fmt.Errorf("run.json: %w", err)
	}
	return at.Health, nil
}
