package health

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Differences between two clocks that matter: SPIRE's certificates begin ten seconds
// before they are issued, and proofs have 30 seconds.
const (
	ClockWarning = 10 * time.Second
	ClockFault   = 60 * time.Second
)

// ClockAdvice is what to do about a clock that is wrong.
const ClockAdvice = "start a time service on both machines (systemd-timesyncd, chrony), for example `timedatectl set-ntp true`: certificates are refused if the clocks differ"

// ClockAhead is how far the clock of this host is ahead of the controller's; negative is
// behind.
type ClockAhead time.Duration

// ClockBetween compares the clocks by one question: when it was asked and answered here,
// and what the other clock said in between.
func ClockBetween(asked, answered, theirs time.Time) ClockAhead {
	took := answered.Sub(asked)
	return ClockAhead(asked.Round(0).Add(took / 2).Sub(theirs).Round(time.Millisecond))
}

// Abs is the difference without its direction.
func (a ClockAhead) Abs() time.Duration { return time.Duration(a).Abs() }

// String is a sentence about the two clocks.
func (a ClockAhead) String() string {
	switch {
	case a.Abs() <= ClockWarning:
		return fmt.Sprintf("the clocks of this host and of the controller differ by %s", Span(a.Abs()))
	case a > 0:
		return fmt.Sprintf("the clock of this host is %s ahead of the controller's", Span(a.Abs()))
	default:
		return fmt.Sprintf("the clock of this host is %s behind the controller's", Span(a.Abs()))
	}
}

// Err is nil while the difference does no harm, and otherwise says which clock is
// wrong by how much, and what to do.
func (a ClockAhead) Err() error {
	if a.Abs() <= ClockFault {
		return nil
	}
	return &ClockError{Ahead: a}
}

// ClockError is a difference that keeps hosts from working.
type ClockError struct{ Ahead ClockAhead }

// Error implements error.
func (e *ClockError) Error() string { return e.Ahead.String() + ": " + ClockAdvice }

// SuspectClock is err, and names the clock if err is about a certificate that is not valid
// at this time.
func SuspectClock(err error, now time.Time) error {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired || invalid.Cert == nil {
		if err != nil && ClockHint(err.Error(), now) != "" {
			return fmt.Errorf("%w%s", err, ClockHint(err.Error(), now))
		}
		return err
	}
	c := invalid.Cert
	return fmt.Errorf("%w: it is valid from %s to %s, and by the clock of this host it is %s; if that is wrong, %s",
		err, clockText(c.NotBefore), clockText(c.NotAfter), clockText(now), ClockAdvice)
}

// ClockHint is what to add to a text that complains of a certificate out of its time and
// does not mention the clock; empty for any other. Errors of peers are texts only.
func ClockHint(text string, now time.Time) string {
	complains := strings.Contains(text, "expired or is not yet valid") || strings.Contains(text, "expired certificate")
	if !complains || strings.Contains(text, "clock") {
		return ""
	}
	return fmt.Sprintf("; by the clock of this host it is %s: check the clocks of this host and of the peer", clockText(now))
}

func clockText(t time.Time) string { return t.UTC().Format(time.RFC3339) }
