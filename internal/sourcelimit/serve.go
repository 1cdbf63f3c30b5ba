package sourcelimit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Serve runs a web server until ctx ends. Requests in flight have drain to finish, and
// are cut then. It returns nil unless serving failed.
func Serve(ctx context.Context, s *http.Server, l net.Listener, drain time.Duration) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		drained, cancel := context.WithTimeout(context.WithoutCancel(gctx), drain)
		defer cancel()
		if s.Shutdown(drained) != nil {
			_ = s.Close() // cuts what did not drain
		}
		return nil
	})
	return g.Wait()
}
