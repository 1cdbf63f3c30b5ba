package proc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// maxLine bounds what one line of a child may hold in memory; the rest of a
// longer line is dropped.
const maxLine = 64 << 10

// lines turns a child's output into log entries. One goroutine writes to it.
type lines struct {
	log    *zap.Logger
	plain  zapcore.Level // for lines that are not JSON
	repeat *repeats
	buf    []byte
	cut    bool // the current line is longer than maxLine
	banned requests
}

func newLines(log *zap.Logger, plain zapcore.Level, repeat *repeats) *lines {
	return &lines{log: log, plain: plain, repeat: repeat}
}

// Write never fails: a child must not die from our log.
func (l *lines) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		room := maxLine - len(l.buf)
		l.cut = l.cut || len(line) > room
		l.buf = append(l.buf, line[:min(len(line), room)]...)
		if ended {
			l.flush()
		}
		b = rest
	}
	return n, nil
}

// joinToken finds SPIRE's join tokens, which are part of agents' SPIFFE IDs.
var joinToken = regexp.MustCompile(`(/spire/agent/join_token/)[^"\s\\/,]+`)

// flush emits what is buffered; a child may die in the middle of a line.
func (l *lines) flush() {
	line := strings.ToValidUTF8(strings.TrimRight(string(l.buf), "\r"), "�")
	// Who reads the log could spend one before its host does.
	line = joinToken.ReplaceAllString(line, "${1}[hidden]")
	cut := l.cut
	l.buf, l.cut = l.buf[:0], false
	if line == "" {
		return
	}
	var fields map[string]any
	if !cut && strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &fields) == nil {
		l.structured(fields)
		return
	}
	entry := []zap.Field{}
	if cut {
		entry = append(entry, zap.Bool("truncated", true))
	}
	l.emit(l.plain, line, "", entry)
}

// emit writes a line unless an equal one was written a moment ago.
func (l *lines) emit(level zapcore.Level, msg, about string, entry []zap.Field) {
	if level >= zap.InfoLevel {
		level = l.repeat.settled(level, msg)
		due, times := l.repeat.due(level, msg, about)
		if !due {
			return
		}
		if times > 1 {
			entry = append(entry, zap.Int("times", times))
		}
	}
	l.log.Log(level, msg, entry...)
}

// structured re-emits a line of SPIRE's JSON log. Its time is dropped: it is
// ours, a moment earlier.
func (l *lines) structured(fields map[string]any) {
	level, _ := fields["level"].(string)
	msg, _ := fields["msg"].(string)
	delete(fields, "level")
	delete(fields, "msg")
	delete(fields, "time")
	entry := make([]zap.Field, 0, len(fields))
	var about strings.Builder
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		entry = append(entry, zap.Any(fieldName(key), fields[key]))
		about.WriteString(aboutWhat(key, fields[key]))
	}
	at := zapLevel(level)
	request, _ := fields["request_id"].(string)
	switch {
	case routine[msg] && fields["status"] != "error":
		at = zap.DebugLevel
	case refusals[msg]:
		at = zap.InfoLevel
		l.banned.add(request)
	case msg == refusedAgain && l.banned.has(request):
		at = zap.DebugLevel // the line before says it
	}
	l.emit(at, msg, about.String(), entry)
}

// aboutWhat is the part of a field that distinguishes one condition from another.
func aboutWhat(key string, value any) string {
	switch v := value.(type) {
	case float64:
		if key == "pid" { // which process is refused an identity is news
			return fmt.Sprintf("pid=%v ", v)
		}
		return "" // a port, a count
	case string:
		if incidental[key] {
			return ""
		}
		if key == "error" || key == "status_message" {
			v = logging.WithoutNumbers(v)
		}
		return key + "=" + v + " "
	default:
		return fmt.Sprintf("%s=%v ", key, v)
	}
}

// routine are the lines that SPIRE writes at the level info for each ordinary request
// of each host; its metrics count them. The first is that of every call of its API: two
// each host each two seconds.
var routine = map[string]bool{"API accessed": true, "Renewing agent SVID": true}

// settling are the errors that end by themselves on a healthy host. A program asks for
// its identity as soon as it starts, and its agent learns of a new registration entry
// when it next asks the server, every five seconds.
var settling = map[string]bool{"No identity issued": true}

// refusals are what SPIRE logs as an error when it refuses a banned agent. That is what
// a revocation is for: the host continues to ask until it is enrolled anew or removed.
var refusals = map[string]bool{"Agent is banned": true, "Failed to attest: agent is banned": true}

// refusedAgain follows a refusal of a call in a line of its own, and has many other
// causes, which it does not name.
const refusedAgain = "Failed to authenticate caller"

// requests are the ids of the last few requests, between whose lines may be others.
type requests struct {
	ids  [8]string
	next int
}

func (r *requests) add(id string) {
	r.ids[r.next] = id
	r.next = (r.next + 1) % len(r.ids)
}

func (r *requests) has(id string) bool { return id != "" && slices.Contains(r.ids[:], id) }

// incidental are the fields that differ between two lines about the same thing.
var incidental = map[string]bool{
	"request_id": true, "caller_addr": true, "address": true, "expires_at": true, "expiration": true, "serial_num": true,
}

// fieldName keeps a child from writing the keys of our own log format.
func fieldName(key string) string {
	switch key {
	case "ts", "logger", "caller", "stacktrace", "message", "time", "level", "msg":
		return "child_" + key
	default:
		return key
	}
}

// zapLevel never returns a level that would end or panic this process.
func zapLevel(level string) zapcore.Level {
	switch strings.ToLower(level) {
	case "trace", "debug":
		return zap.DebugLevel
	case "warn", "warning":
		return zap.WarnLevel
	case "error", "fatal", "panic":
		return zap.ErrorLevel
	default:
		return zap.InfoLevel
	}
}
