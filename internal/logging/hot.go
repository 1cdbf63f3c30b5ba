package logging

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// What is kept of a message that is logged through Hot: the first HotFirst of a
// second, then every HotEvery-th.
const (
	HotFirst = 100
	HotEvery = 100
)

// Hot is log for lines that come by the thousand in ordinary operation and of which
// none matters by itself. Each message is sampled for itself, by its level and text,
// below Warn; docs/logs.md lists the messages. Whatever decides or shows an attack
// never goes through it, for a flood would hide one line among the others: by
// default nothing is sampled.
func Hot(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return belowWarn{zapcore.NewSamplerWithOptions(core, time.Second, HotFirst, HotEvery), core}
	}))
}

// belowWarn passes what is a warning or worse by the sampler.
type belowWarn struct {
	zapcore.Core // the sampler

	all zapcore.Core
}

// With implements zapcore.Core.
func (b belowWarn) With(fields []zapcore.Field) zapcore.Core {
	return belowWarn{b.Core.With(fields), b.all.With(fields)}
}

// Check implements zapcore.Core.
func (b belowWarn) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level >= zapcore.WarnLevel {
		return b.all.Check(e, ce)
	}
	return b.Core.Check(e, ce)
}
