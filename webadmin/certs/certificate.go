package certs

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Certificate is what the listener presents for a name, as far as somebody has to know.
type Certificate struct {
	Name     string    // empty for files, which are for any name
	NotAfter time.Time // zero while there is none
	// Renews says that it is renewed without anybody's help, unless that fails.
	Renews bool
	// Failure is why it is not renewed, nil while all is well; since when, and what to do.
	Failure error
	Since   time.Time
	Do      string
}

// Fault is nil while each of them is valid and renewed.
func Fault(all []Certificate, now time.Time) error {
	var errs []error
	for _, c := range all {
		if err := c.fault(now); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c Certificate) fault(now time.Time) error {
	switch state := c.State(now); {
	case c.Failure != nil:
		return fmt.Errorf("%s; no new one is in use: %w: %s", state, c.Failure, c.Do)
	case !now.Before(c.NotAfter):
		return errors.New(state)
	}
	return nil
}

// State says until when it is valid.
func (c Certificate) State(now time.Time) string {
	of := ""
	if c.Name != "" {
		of = " of " + c.Name
	}
	switch day := c.NotAfter.UTC().Format(time.RFC3339); {
	case c.NotAfter.IsZero():
		return "there is no certificate" + of
	case !now.Before(c.NotAfter):
		return "the certificate" + of + " expired at " + day
	default:
		return "the certificate" + of + " is valid until " + day
	}
}

// strangers counts handshakes for names that are not ours. Anybody can make thousands, so
// it logs the first and then one at growing intervals: an operator who forgot a name in
// admin.acme.domains finds it, and a flood fills no disk.
type strangers struct {
	mu       sync.Mutex
	reminder logging.Reminder
}

func (s *strangers) note(log *zap.Logger, name string) {
	s.mu.Lock()
	due, times := s.reminder.Due(time.Now())
	s.mu.Unlock()
	if due {
		log.Info("handshake refused: no domain of admin.acme.domains was asked for", zap.String("server_name", health.OneLine(name)), zap.Int("times", times))
	}
}
