package sourcelimit

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// errUnbounded is a slip of the program: anybody could hold what such a server has.
var errUnbounded = errors.New("a web server needs a ReadTimeout, a WriteTimeout and MaxHeaderBytes")

// Serve runs a web server until ctx ends. It cuts those that ask too often (limit);
// timeouts are the server's own, and it must have them. Requests in flight have drain
// to finish, and are cut then. It returns nil unless serving failed.
func Serve(ctx context.Context, s *http.Server, l net.Listener, drain time.Duration) error {
	if s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		return errUnbounded
	}
	limit(s)
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
