package enrollclient_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
)

// TestRetriesAreTellingAtMostOnceASecond: the first tries are a quarter of a second
// apart, and each was a line; a controller that is away all night filled a screen.
func TestRetriesAreTellingAtMostOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		began := time.Now()
		tell := enrollclient.Retelling("trying again", func(line string) {
			lines = append(lines, fmt.Sprintf("%s %s", time.Since(began).Truncate(time.Second), line))
		})
		for i := range 4 * 60 { // a minute
			tell(fmt.Errorf("dial from port %d: connection refused", 40000+i))
			<-time.After(250 * time.Millisecond)
		}
		require.Len(t, lines, 6, "%v", lines) // at 0, 1, 3, 7, 15, 31 s
		require.Equal(t, "0s trying again: dial from port 40000: connection refused", lines[0])
		tell(errors.New("no route to host"))
		require.Len(t, lines, 7, "another reason is news")
		tell(errors.New("connection refused"))
		require.Len(t, lines, 7, "but for that second")
	})
}
