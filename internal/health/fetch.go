package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"
)

const (
	// maxReport is more than the checks of a program can have.
	maxReport = 1 << 20
	// fetchTimeout covers the probes of the checks.
	fetchTimeout = probeTimeout + 3*time.Second
)

// Fetch reads /readyz of the program whose health listener is at addr.
func Fetch(ctx context.Context, addr string) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz?format=json", nil)
	if err != nil {
		return Report{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy, whatever the environment says
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return Report{}, Explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxReport))
	if err != nil {
		return Report{}, err
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil || len(r.Checks) == 0 {
		return Report{}, fmt.Errorf("another program answers at %s: HTTP status %d", addr, resp.StatusCode)
	}
	return r, nil
}

// Explain says in plain words why a program could not be asked, without the URL.
func Explain(err error) error {
	if asking, ok := errors.AsType[*url.Error](err); ok {
		err = asking.Err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there: %w", syscall.ECONNREFUSED)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	return err
}
