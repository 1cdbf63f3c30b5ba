package logging

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// maxCauses bounds how many errors of one condition are distinguished.
const maxCauses = 8

// Condition is a fault that continues while its work is tried again: it is logged at once, again for
// another error, and else at growing intervals (Reminder), with the number of times in
// the field times. The zero value is ready. It is safe for concurrent use.
type Condition struct {
	mu       sync.Mutex
	reminder Reminder
	causes   []string
}

// Fails notes the condition and logs it if that is due.
func (c *Condition) Fails(log *zap.Logger, level zapcore.Level, msg string, err error, fields ...zap.Field) {
	c.mu.Lock()
	due, times := c.reminder.Due(time.Now())
	if cause := WithoutNumbers(fmt.Sprint(err)); len(c.causes) < maxCauses && !slices.Contains(c.causes, cause) {
		c.causes = append(c.causes, cause)
		due = true
	}
	c.mu.Unlock()
	if !due {
		return
	}
	fields = append(fields, zap.Error(err))
	if times > 1 {
		fields = append(fields, zap.Int("times", times))
	}
	log.Log(level, msg, fields...)
}

// Over ends the condition, with a line if it held; an empty msg is none.
func (c *Condition) Over(log *zap.Logger, msg string, fields ...zap.Field) {
	c.mu.Lock()
	began := c.reminder.Began()
	held := c.reminder.Over()
	c.causes = nil
	c.mu.Unlock()
	if held && msg != "" {
		log.Info(msg, append(fields, zap.Duration("after", time.Since(began).Round(time.Second)))...)
	}
}

// WithoutNumbers drops the digits of a text: ports, times and process ids differ from
// one attempt to the next.
func WithoutNumbers(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}
