package health_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func TestADifferenceOfTwoClocks(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		here  time.Duration // ahead of the controller's
		want  string
		fault bool
	}{
		"none":               {0, "differ by 0s", false},
		"seconds":            {9 * time.Second, "differ by 9s", false},
		"half a minute":      {30 * time.Second, "30s ahead of", false},
		"90 seconds ahead":   {90 * time.Second, "the clock of this host is 1m30s ahead of the controller's", true},
		"90 seconds behind":  {-90 * time.Second, "the clock of this host is 1m30s behind the controller's", true},
		"a day ahead":        {24 * time.Hour, "24h ahead of", true},
		"a day behind":       {-24 * time.Hour, "24h behind", true},
		"a reply that takes": {90 * time.Second, "1m30s ahead of", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := noon.Add(tc.here)
			got := health.ClockBetween(asked, asked.Add(4*time.Second), noon.Add(2*time.Second))
			require.Contains(t, got.String(), tc.want)
			if !tc.fault {
				require.NoError(t, got.Err())
				return
			}
			require.ErrorContains(t, got.Err(), tc.want)
			require.ErrorContains(t, got.Err(), "timedatectl set-ntp true")
			of, ok := errors.AsType[*health.ClockError](fmt.Errorf("enroll: %w", got.Err()))
			require.True(t, ok)
			require.Equal(t, health.ClockAhead(tc.here), of.Ahead)
		})
	}
}

func TestAnErrorAboutACertificateOutOfItsTimeNamesTheClock(t *testing.T) {
	t.Parallel()
	c := &x509.Certificate{NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour)}
	expired := x509.CertificateInvalidError{Cert: c, Reason: x509.Expired}
	for name, now := range map[string]time.Time{"a day early": noon.AddDate(0, 0, -1), "a day late": noon.AddDate(0, 0, 1)} {
		err := health.SuspectClock(fmt.Errorf("tls: %w", expired), now)
		require.ErrorIs(t, err, expired, name)
		require.ErrorContains(t, err, "by the clock of this host it is "+now.Format(time.RFC3339), name)
		require.ErrorContains(t, err, "valid from 2026-11-29T11:00:00Z to 2026-11-29T13:00:00Z", name)
	}
	// A peer says it as a text.
	err := health.SuspectClock(errors.New("rpc error: desc = x509: certificate has expired or is not yet valid: current time x is before y"), noon)
	require.ErrorContains(t, err, "by the clock of this host it is 2026-11-29T12:00:00Z")
	require.Empty(t, health.ClockHint(err.Error(), noon), "once is enough")
}

func TestOtherErrorsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	require.NoError(t, health.SuspectClock(nil, noon))
	for _, err := range []error{errors.New("connection refused"), x509.UnknownAuthorityError{}, x509.CertificateInvalidError{Reason: x509.TooManyIntermediates}} {
		require.Equal(t, err, health.SuspectClock(err, noon))
	}
}
