package logging_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

func TestAConditionThatIsTriedAgainEverySecondIsAFewLinesAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		log := zap.New(core)
		var c logging.Condition
		for port := range 3600 {
			c.Fails(log, zap.WarnLevel, "not sent, retrying", fmt.Errorf("dial from port %d: refused", 40000+port))
			<-time.After(time.Second)
		}
		lines := logs.All()
		require.Len(t, lines, 6)
		require.NotContains(t, lines[0].ContextMap(), "times")
		require.EqualValues(t, 61, lines[1].ContextMap()["times"])

		c.Fails(log, zap.ErrorLevel, "not sent, retrying", errors.New("disk full"))
		require.Len(t, logs.All(), 7, "another error is news")
		require.Equal(t, zap.ErrorLevel, logs.All()[6].Level)

		c.Over(log, "sent again")
		c.Over(log, "sent again")
		over := logs.FilterMessage("sent again").All()
		require.Len(t, over, 1)
		require.Equal(t, time.Hour, over[0].ContextMap()["after"])
		c.Fails(log, zap.WarnLevel, "not sent, retrying", errors.New("disk full"))
		require.Len(t, logs.All(), 9, "it begins anew")
	})
}

func TestAConditionWithEverNewErrorsIsBoundedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		var c logging.Condition
		for i := range 1000 {
			c.Fails(zap.New(core), zap.WarnLevel, "m", fmt.Errorf("%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676))
		}
		require.Equal(t, 8, logs.Len())
	})
}
