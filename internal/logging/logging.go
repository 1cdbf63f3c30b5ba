package logging

import (
	"io"
	"slices"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// The formats of a log line.
const (
	FormatAuto    = "auto" // console on a terminal, JSON elsewhere
	FormatJSON    = "json"
	FormatConsole = "console"
)

// Config is the log section of a program's configuration.
type Config struct {
	Level  string `conf:"level" usage:"lowest log level: debug, info, warn or error" one:"debug info warn error"`
	Format string `conf:"format" usage:"log format: json, console, or auto (console on a terminal, json elsewhere)" one:"json console auto"`
}

// DefaultConfig logs from Info on: for a person on a terminal, and as JSON elsewhere.
func DefaultConfig() Config { return Config{Level: "info", Format: FormatAuto} }

// Validate returns settings.Faults with the paths "level" and "format".
func (c Config) Validate() error {
	var f settings.Faults
	_, ok := levelOf(c.Level)
	f.Require(ok, "level", "must be debug, info, warn or error, is %q", c.Level)
	f.Require(slices.Contains([]string{FormatAuto, FormatJSON, FormatConsole}, c.Format), "format", "must be json, console or auto, is %q", c.Format)
	return f.Err()
}

// levelOf accepts no more than the four names that we use: zap would also take
// "panic" or "fatal", which silence errors.
func levelOf(name string) (zapcore.Level, bool) {
	switch name {
	case "debug", "info", "warn", "error":
		level, err := zapcore.ParseLevel(name)
		return level, err == nil
	default:
		return zapcore.InfoLevel, false
	}
}

// New returns a logger that writes to w, and its level, which may be changed
// while it runs. The error is of type settings.Faults.
func New(c Config, w io.Writer) (*zap.Logger, zap.AtomicLevel, error) {
	if err := c.Validate(); err != nil {
		return nil, zap.AtomicLevel{}, err
	}
	l, _ := levelOf(c.Level)
	level := zap.NewAtomicLevelAt(l)
	out := zapcore.Lock(zapcore.AddSync(w))
	encoder := zapcore.NewJSONEncoder(encoderConfig())
	if c.Format == FormatConsole || c.Format == FormatAuto && isTerminal(w) {
		encoder = zapcore.NewConsoleEncoder(encoderConfig())
	}
	log := zap.New(zapcore.NewCore(encoder, out, level),
		zap.ErrorOutput(out), zap.AddStacktrace(zapcore.DPanicLevel)) // an Error line says what to do; where it was written helps nobody
	return log, level, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && isatty.IsTerminal(f.Fd())
}

func encoderConfig() zapcore.EncoderConfig {
	return zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "logger", MessageKey: "msg", StacktraceKey: "stack",
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
		EncodeTime: func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
			zapcore.ISO8601TimeEncoder(t.UTC(), enc) // hosts in several zones share one log store
		},
	}
}
