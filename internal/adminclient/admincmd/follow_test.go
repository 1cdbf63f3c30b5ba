package admincmd_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
)

// TestAWatchOutlastsARestartAndEndsAtARefusal: what is followed continues while the
// controller is away, and nothing is asked again that was refused.
func TestAWatchOutlastsARestartAndEndsAtARefusal(t *testing.T) {
	t.Parallel()
	away := errors.New("connection refused")
	refused := &adminclient.Error{Problem: adminapi.Problem{Status: http.StatusForbidden}}
	type step struct {
		line  string
		over  bool
		err   error
		lasts time.Duration // how long it is so
	}
	for name, tc := range map[string]struct {
		steps []step
		want  error
		took  time.Duration
		shown []string
	}{
		"the end": {
			steps: []step{{line: "   1 s  prepared", lasts: 3 * time.Second}, {line: "   4 s  activated", lasts: time.Second}, {over: true}},
			took:  4 * time.Second, shown: []string{"   1 s  prepared", "   4 s  activated"},
		},
		"a restart": {
			steps: []step{{line: "   1 s  prepared", lasts: time.Second}, {err: away, lasts: time.Minute}, {line: "  62 s  prepared", lasts: time.Second}, {over: true}},
			took:  62 * time.Second, shown: []string{"   1 s  prepared", "the controller does not answer; the rotation continues when it is back", "  62 s  prepared"},
		},
		"away for good": {
			steps: []step{{err: away, lasts: time.Hour}}, want: away, took: 121 * time.Second,
			shown: []string{"the controller does not answer; the rotation continues when it is back"},
		},
		"a server error is no refusal": {
			steps: []step{{err: &adminclient.Error{Problem: adminapi.Problem{Status: http.StatusServiceUnavailable}}, lasts: time.Second}, {over: true}}, took: time.Second,
			shown: []string{"the controller does not answer; the rotation continues when it is back"},
		},
		"refused":     {steps: []step{{line: "   1 s  prepared", lasts: time.Second}, {err: refused}}, want: refused, took: time.Second, shown: []string{"   1 s  prepared"}},
		"another one": {steps: []step{{err: admincmd.ErrAnother}}, want: admincmd.ErrAnother},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				began := time.Now()
				err := admincmd.Watch(t.Context(), &out, func() (string, bool, error) {
					var end time.Duration
					for _, s := range tc.steps {
						if end += s.lasts; s.lasts == 0 || time.Since(began) < end {
							return s.line, s.over, s.err
						}
					}
					panic("asked after the end")
				})
				require.ErrorIs(t, err, tc.want)
				require.Equal(t, tc.took, time.Since(began))
				require.Equal(t, tc.shown, lines(out.String()))
			})
		})
	}
}

func lines(text string) (out []string) {
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimSuffix(line, "\n"))
	}
	return out
}

func TestAWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := admincmd.Watch(ctx, &strings.Builder{}, func() (string, bool, error) { return "  1 s  prepared", false, nil })
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
