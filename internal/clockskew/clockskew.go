package clockskew

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
	Warning = 10 * time.Second
	Fault   = 60 * time.Second
)

// Advice is what to do about a clock that is wrong.
const Advice = "start a time service on both machines (systemd-timesyncd, chrony), for example `timedatectl set-ntp true`: certificates are refused if the clocks differ"

// Ahead is how far the clock of this host is ahead of the controller's; negative is
// behind.
type Ahead time.Duration

// Between compares the clocks by one question: when it was asked and answered here,
// and what the other clock said in between.
func Between(asked, answered, theirs time.Time) Ahead {
	took := answered.Sub(asked)
	return Ahead(asked.Round(0).Add(took / 2).Sub(theirs).Round(time.Millisecond))
}

// Abs is the difference without its direction.
func (a Ahead) Abs() time.Duration { return time.Duration(a).Abs() }

// String is a sentence about the two clocks.
func (a Ahead) String() string {
	switch {
	case a.Abs() <= Warning:
		return fmt.Sprintf("the clocks of this host and of the controller differ by %s", a.Abs())
	case a > 0:
		return fmt.Sprintf("the clock of this host is %s ahead of the controller's", a.Abs())
	default:
		return fmt.Sprintf("the clock of this host is %s behind the controller's", a.Abs())
	}
}

// Err is nil while the difference does no harm, and otherwise says which clock is
// wrong by how much, and what to do.
func (a Ahead) Err() error {
	if a.Abs() <= Fault {
		return nil
	}
	return &Error{Ahead: a}
}

// Error is a difference that keeps hosts from working.
type Error struct{ Ahead Ahead }

// Error implements error.
func (e *Error) Error() string { return e.Ahead.String() + ": " + Advice }

// Suspect is err, and names the clock if err is about a certificate that is not valid
// at this time.
func Suspect(err error, now time.Time) error {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	if !ok || invalid.Reason != x509.Expired || invalid.Cert == nil {
		if err != nil && Hint(err.Error(), now) != "" {
			return fmt.Errorf("%w%s", err, Hint(err.Error(), now))
		}
		return err
	}
	c := invalid.Cert
	return fmt.Errorf("%w: it is valid from %s to %s, and by the clock of this host it is %s; if that is wrong, %s",
		err, moment(c.NotBefore), moment(c.NotAfter), moment(now), Advice)
}

// Hint is what to add to a text that complains of a certificate out of its time and
// does not mention the clock; empty for any other. Errors of peers are texts only.
func Hint(text string, now time.Time) string {
	complains := strings.Contains(text, "expired or is not yet valid") || strings.Contains(text, "expired certificate")
	if !complains || strings.Contains(text, "clock") {
		return ""
	}
	return fmt.Sprintf("; by the clock of this host it is %s: check the clocks of this host and of the peer", moment(now))
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
