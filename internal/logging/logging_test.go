package logging_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, level, err := logging.New(logging.DefaultConfig(), &out)
	require.NoError(t, err)

	log.Debug("hidden")
	log.Named("enroll").Warn("token refused", zap.Duration("age", time.Minute))
	line := decode(t, out.Bytes())
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, line["time"])
	delete(line, "time")
	require.Equal(t, map[string]any{"level": "warn", "logger": "enroll", "msg": "token refused", "age": "1m0s"}, line)

	out.Reset()
	level.SetLevel(zapcore.DebugLevel)
	log.Debug("seen")
	require.Equal(t, "seen", decode(t, out.Bytes())["msg"])

	out.Reset()
	log.Error("failed")
	require.NotContains(t, decode(t, out.Bytes()), "stack", "an error is for its reader, not for us")
}

func TestConsole(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, _, err := logging.New(logging.Config{Level: "info", Format: logging.FormatConsole}, &out)
	require.NoError(t, err)
	log.Named("enroll").Info("host enrolled", zap.String("host_id", "ab"))
	require.Regexp(t, `^\S+Z\tinfo\tenroll\thost enrolled\t\{"host_id": "ab"\}\n$`, out.String())
}

func TestRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	for _, c := range []logging.Config{
		{}, {Level: "Info", Format: "json"}, {Level: "fatal", Format: "json"}, {Level: "info", Format: "text"},
	} {
		_, _, err := logging.New(c, &bytes.Buffer{})
		var faults settings.Faults
		require.ErrorAs(t, err, &faults, "%+v", c)
	}
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var line map[string]any
	require.NoError(t, json.Unmarshal(b, &line), "%s", b)
	return line
}
