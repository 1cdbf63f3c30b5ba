package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

const (
	// pingEvery keeps what is between from closing an idle stream, and lets a reader
	// notice within 20 s, also after a lost one, that nothing arrives any more.
	pingEvery = 5 * time.Second
	// checkEvery bounds how long a stream outlives the session or the permission of its
	// reader, whatever ended it: another process too, such as "admin reset-owner".
	checkEvery = 500 * time.Millisecond
	// slowReader is how long one write may wait for the reader.
	slowReader = 10 * time.Second
	maxEventID = 64
)

func (s *Server) eventOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/events", id: "streamEvents", tag: "status", summary: "Stream changes as server-sent events",
		description: "The name of an event is the kind of object that changed, its data is the object's id. Read the object to get its present state. " +
			"Last-Event-ID resumes, and so does the parameter after, which a page of a browser can set; an event named reset means that events were lost. An event named ping comes at the beginning and every 5 seconds: " +
			"a reader that has got nothing for 20 seconds should open another stream.",
		query:      []param{{name: "after", description: "the id of the last event that the caller has read, or events_after of getSession; Last-Event-ID counts for more", maxLength: maxEventID}},
		permission: auth.FleetRead, stream: true, problems: []string{adminapi.TypeTooManyStreams},
		replies: map[int]any{http.StatusOK: eventStream{}}, handle: s.stream,
	}}
}

// eventStream marks a reply of server-sent events, whose data is an adminapi.Event.
type eventStream struct{}

// stream writes events until the reader goes, falls behind or loses its permission,
// or the server stops.
func (s *Server) stream(c *gin.Context) error {
	who := callerOf(c)
	sub, err := s.cfg.Events.Subscribe(who.Actor, cmp.Or(lastEventID(c.Request), queryOf(c).Get("after")))
	if errors.Is(err, events.ErrTooMany) {
		c.Header("Retry-After", "60")
		return problem(adminapi.TypeTooManyStreams, "too many event streams are open; close one")
	}
	if err != nil {
		return err
	}
	defer sub.Close()
	out := eventWriter{c.Writer, http.NewResponseController(c.Writer), s.timeouts.slowReader}
	c.Header("Content-Type", "text/event-stream")
	c.Header("X-Accel-Buffering", "no") // a proxy must not collect
	c.Status(http.StatusOK)
	ping, check := time.NewTicker(s.timeouts.ping), time.NewTicker(s.timeouts.check)
	defer ping.Stop()
	defer check.Stop()
	text := ": hello\n\n" + s.ping()
	for {
		if text != "" {
			if err := out.write(text); err != nil {
				return nil // the reader has gone, or reads too slowly
			}
		}
		text = ""
		select {
		case <-sub.More():
			var news []events.Event
			var id string
			if news, id, err = sub.Read(); errors.Is(err, events.ErrLost) {
				text = frame(events.Event{Kind: "reset", At: s.cfg.Now().UTC()}, id)
			}
			if err == nil && len(news) == 0 { // what to resume after, should the stream end now
				text = "id: " + id + "\n\n"
			}
			for i, e := range news {
				last := ""
				if i == len(news)-1 { // resuming in the middle of a batch repeats it
					last = id
				}
				text += frame(e, last)
			}
			if slices.ContainsFunc(news, mayEndSessions) && !s.stillMay(c, who) {
				return nil
			}
		case <-check.C:
			if !s.stillMay(c, who) {
				return nil
			}
		case <-ping.C:
			text = s.ping()
		case <-s.stopping:
			return nil
		case <-c.Request.Context().Done():
			return nil
		}
	}
}

// ping is an event and not a comment, of which a browser shows its page nothing.
func (s *Server) ping() string { return frame(events.Event{Kind: "ping", At: s.cfg.Now().UTC()}, "") }

// lastEventID is what a browser sends when it reconnects. One that is absurd is one
// that we never gave.
func lastEventID(r *http.Request) string {
	id := r.Header.Get("Last-Event-ID")
	if len(id) > maxEventID {
		return "unknown"
	}
	return id
}

// mayEndSessions says whether the news can be about the reader's own session or key:
// then it is checked before anything is written.
func mayEndSessions(e events.Event) bool {
	return e.Kind == events.Person || e.Kind == events.Key || e.Action == audit.SessionRevoke
}

// stillMay asks again who calls. A stream must not outlive the session or the key
// that opened it. A store that fails is no reason to end it.
func (s *Server) stillMay(c *gin.Context, who caller) bool {
	ctx, cancel := context.WithTimeout(c.Request.Context(), slowReader)
	defer cancel()
	p, err := s.principal(ctx, c)
	if _, refused := errors.AsType[*auth.RefusedError](err); refused {
		return false
	}
	return err != nil || p.Actor == who.Actor && p.May(auth.FleetRead)
}

// frame is one event; an empty id leaves the reader's last one as it is.
func frame(e events.Event, id string) string {
	var b strings.Builder
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	data, err := json.Marshal(adminapi.Event{ID: e.ID, At: e.At, Change: e.Change})
	if err != nil {
		return "" // cannot happen: strings and a time
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", e.Kind, data)
	return b.String()
}

// eventWriter writes with a deadline for each write in place of the server's for
// the whole reply.
type eventWriter struct {
	w  http.ResponseWriter
	rc *http.ResponseController
	// patience is how long one write may wait for the reader.
	patience time.Duration
}

func (o eventWriter) write(text string) error {
	// Unsupported by a recorder in tests; a server's connection has deadlines.
	if err := o.rc.SetWriteDeadline(time.Now().Add(o.patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := o.w.Write([]byte(text)); err != nil {
		return err
	}
	return o.rc.Flush()
}
