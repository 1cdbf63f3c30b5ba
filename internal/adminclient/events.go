package adminclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Event is one event of the API's stream: a thing of this kind has changed.
type Event struct {
	adminapi.Event
	// Kind is connector, tunneler, host, network, token, request, rotation, audit, person or
	// key; or reset, when events were lost and everything must be read again.
	Kind string
}

// EventReset is the kind of an event that says that others were lost.
const EventReset = "reset"

// maxLine bounds one line of the stream.
const maxLine = 64 << 10

// Events calls fn with each event after the one with the id after ("" is from now on), until
// the stream or ctx ends, or fn fails. ready is called when the stream has begun. last is
// the event to continue after.
func (c *Client) Events(ctx context.Context, after string, ready func() error, fn func(Event) error) (last string, err error) {
	last = after
	if c.err != nil {
		return last, c.err
	}
	req, err := c.request(ctx, http.MethodGet, route("events"), nil)
	if err != nil {
		return last, err
	}
	req.Header.Set("Accept", "text/event-stream, "+adminapi.ProblemContentType)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	endless := *c.http
	endless.Timeout = 0
	resp, err := endless.Do(req)
	if err != nil {
		return last, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
		if err != nil {
			return last, fmt.Errorf("read the admin API's reply: %w", err)
		}
		return last, errorOf(resp, body)
	}
	if err := ready(); err != nil {
		return last, err
	}
	return readEvents(resp.Body, last, fn)
}

// errStreamEnded is returned when the controller ends the stream.
var errStreamEnded = errors.New("the stream of events has ended")

// readEvents reads server-sent events.
func readEvents(r io.Reader, last string, fn func(Event) error) (string, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	var e Event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if e.Kind != "" {
				if err := fn(e); err != nil {
					return last, err
				}
			}
			e = Event{}
		case name == "id":
			last = value
		case name == "event":
			e.Kind = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &e.Event); err != nil {
				return last, fmt.Errorf("event of the admin API: %w", err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return last, err
	}
	return last, errStreamEnded
}
