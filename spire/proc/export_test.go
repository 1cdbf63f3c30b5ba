package proc

import (
	"io"

	"go.uber.org/zap"
)

// NewLines is what a child's output is written to.
func NewLines(log *zap.Logger) io.Writer { return newLines(log, zap.InfoLevel, &repeats{}) }
