package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

const patience = 20 * time.Second

// reader reads an event stream.
type reader struct {
	t     testing.TB
	lines chan string
	last  string // id
	close func()

	status int
	header http.Header
}

func open(t testing.TB, e *apitest.Env, after string) *reader {
	t.Helper()
	return openWith(t, e, after, func(h http.Header) { h.Set("Authorization", "Bearer "+e.Key) })
}

// openWith opens a stream with the credential that authenticate puts in the header.
func openWith(t testing.TB, e *apitest.Env, after string, authenticate func(http.Header)) *reader {
	t.Helper()
	return openAt(t, e, "", after, authenticate)
}

// openAt opens a stream with a query.
func openAt(t testing.TB, e *apitest.Env, query, after string, authenticate func(http.Header)) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+"/api/admin/events"+query, nil)
	require.NoError(t, err)
	authenticate(req.Header)
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) //nolint:bodyclose // closed when the test ends
	require.NoError(t, err)
	r := &reader{t: t, lines: make(chan string, 10000), close: cancel, status: resp.StatusCode, header: resp.Header}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(r.lines)
		s := bufio.NewScanner(resp.Body)
		for s.Scan() {
			r.lines <- s.Text()
		}
	}()
	t.Cleanup(func() { cancel(); <-done; _ = resp.Body.Close() })
	return r
}

// next returns the next line that is not empty, ": ping" for a whole event of that name,
// and "end" at the end.
func (r *reader) next() string {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line, ok := <-r.lines:
			if !ok {
				return "end"
			}
			if id, found := strings.CutPrefix(line, "id: "); found {
				r.last = id
			} else if line == "event: ping" {
				require.Regexp(r.t, `^data: {"at":"[^"]+"}$`, <-r.lines)
				return ": ping"
			} else if line != "" {
				return line
			}
		case <-deadline:
			require.Fail(r.t, "nothing came")
		}
	}
}

func (r *reader) event() string {
	r.t.Helper()
	for {
		if line := r.next(); !strings.HasPrefix(line, ":") {
			if line == "end" {
				return line
			}
			return strings.TrimPrefix(line, "event: ") + " " + strings.TrimPrefix(r.next(), "data: ")
		}
	}
}

func TestStreamsEventsAndResumes(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	r := open(t, e, "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	require.Equal(t, ": hello", r.next())
	e.Events.Publish(events.Connector, "c", "ONLINE")
	require.Equal(t, `connector {"id":"c","at":"2030-01-02T03:04:05Z","change":"ONLINE"}`, r.event())
	r.close()
	e.Events.Publish(events.Token, "a\nevent: x", "")
	e.Events.Publish(events.Audit, "", "enroll")

	again := open(t, e, r.last)
	require.Equal(t, `token {"id":"a\nevent: x","at":"2030-01-02T03:04:05Z"}`, again.event())
	require.Equal(t, `audit {"at":"2030-01-02T03:04:05Z","change":"enroll"}`, again.event())

	for _, after := range []string{"0-1", "x", strings.Repeat("x", 1000)} {
		lost := open(t, e, after)
		require.Equal(t, `reset {"at":"2030-01-02T03:04:05Z"}`, lost.event())
		lost.close()
	}
}

// What happens between the first answers that a page gets and the opening of its stream is
// in the stream.
func TestAStreamBeginsAtThePositionThatTheSessionNames(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	e.Events.Publish(events.Token, "before", "created")
	b := as(t, e, auth.Owner)
	me := decode[adminapi.CurrentSession](t, b.do(http.MethodGet, "/session", ""))
	e.Events.Publish(events.Token, "meanwhile", "created")
	cookie := func(h http.Header) { h.Set("Cookie", "zt_session="+b.cookies["zt_session"]) }
	r := openAt(t, e, "?after="+me.EventsAfter, "", cookie)
	require.Equal(t, http.StatusOK, r.status)
	require.Contains(t, r.event(), `token {"id":"meanwhile"`)
	r.close()
	require.Contains(t, openAt(t, e, "?after=0-7", "", cookie).event(), "reset", "of another run of the program")
	require.Contains(t, openAt(t, e, "?after=0-7", me.EventsAfter, cookie).event(), "meanwhile", "a browser that resumes by itself knows better")
	require.Equal(t, http.StatusBadRequest, openAt(t, e, "?after="+strings.Repeat("x", 65), "", cookie).status)
}

// A kind that no page listens to is a change that the dashboard does not show.
func TestTheDashboardListensToEveryKindOfEvent(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../ui/src/api/events.ts")
	require.NoError(t, err)
	for _, kind := range events.Kinds() {
		require.Regexp(t, `(?m)^  '?`+string(kind)+`'?: \['`, string(source))
	}
}

func TestAStreamIsNotCutByTheTimeoutsOfOtherRequests(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Server.Hurry(300*time.Millisecond, 50*time.Millisecond, time.Minute)
	e.Run(t)
	r := open(t, e, "")
	require.Equal(t, ": hello", r.next())
	for range 20 { // a second: three times the timeout
		require.Equal(t, ": ping", r.next())
	}
	e.Events.Publish(events.Connector, "c", "ONLINE")
	require.Contains(t, r.event(), "connector")
}

func TestAStreamEndsWithTheServer(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Server.Drain(10 * patience)
	stop := e.Run(t)
	r := open(t, e, "")
	require.Equal(t, ": hello", r.next())
	began := time.Now()
	stop()
	require.Less(t, time.Since(began), patience, "it was waited for")
	require.Equal(t, "end", r.event())
}

func TestAStreamEndsWithTheKeyThatOpenedIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   func(e *apitest.Env)
		check time.Duration
	}{
		"when it expired": {func(e *apitest.Env) { e.Clock.Advance(time.Hour) }, api.CheckEvery},
		"when keys changed, without waiting to ask": {func(e *apitest.Env) {
			e.Clock.Advance(time.Hour)
			e.Events.Publish(events.Key, "ci", "key.revoke")
		}, time.Hour},
		"when it may not read the fleet any more": {func(e *apitest.Env) {
			e.Auth.Be(auth.Principal{Actor: "key:ci", Permissions: []auth.Permission{auth.Self}})
		}, api.CheckEvery},
		"when it is somebody else's by now": {func(e *apitest.Env) { e.Auth.Be(person(auth.FleetRead)) }, api.CheckEvery},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			e.Server.Hurry(time.Minute, time.Hour, time.Minute)
			e.Server.Check(c.check)
			e.Run(t)
			e.Key = e.AddKey(t, auth.Key{ID: "ci", Permissions: []auth.Permission{auth.FleetRead}, ExpiresAt: e.Clock.Now().Add(time.Minute)})
			r := open(t, e, "")
			require.Equal(t, ": hello", r.next())
			c.end(e)
			for line := ""; line != "end"; {
				line = r.event()
			}
		})
	}
	t.Run("and not because the store failed for a moment", func(t *testing.T) {
		t.Parallel()
		e := apitest.New(t)
		e.Server.Hurry(time.Minute, 20*time.Millisecond, time.Minute)
		e.Run(t)
		r := open(t, e, "")
		require.Equal(t, ": hello", r.next())
		e.Keys.Fail(errDisk)
		for range 5 {
			require.Equal(t, ": ping", r.next())
		}
	})
}

// Nothing is published when another process, such as "admin reset-owner", ends it.
func TestAStreamEndsWithinASecondOfItsSession(t *testing.T) {
	t.Parallel()
	require.Less(t, api.CheckEvery, time.Second)
	for name, end := range map[string]func(t *testing.T, e *apitest.Env, in auth.SignedIn){
		"revoked": func(t *testing.T, e *apitest.Env, in auth.SignedIn) {
			require.NoError(t, e.Identity.Sessions.Revoke(t.Context(), "", in.Session.ID, auth.By{}))
		},
		"idle for too long": func(_ *testing.T, e *apitest.Env, _ auth.SignedIn) { e.Clock.Advance(auth.SessionIdle) },
		"taken away in the store": func(t *testing.T, e *apitest.Env, in auth.SignedIn) {
			require.NoError(t, e.Identity.Store.AuthRows().DeleteSession(t.Context(), in.Session.ID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := apitest.New(t)
			e.Server.Hurry(time.Minute, time.Hour, time.Minute)
			e.Run(t)
			in := e.Identity.Add(t, "ada@example.com", auth.Owner)
			r := openWith(t, e, "", func(h http.Header) { h.Set("Cookie", "zt_session="+in.Secret) })
			require.Equal(t, http.StatusOK, r.status)
			require.Equal(t, ": hello", r.next())
			end(t, e, in)
			for line := ""; line != "end"; {
				line = r.event()
			}
		})
	}
}

func TestStreamsAreCappedByCaller(t *testing.T) {
	t.Parallel()
	e := apitest.Start(t)
	for range events.MaxSubscriptionsPerOwner {
		r := open(t, e, "")
		require.Equal(t, ": hello", r.next())
	}
	late := open(t, e, "")
	require.Equal(t, http.StatusTooManyRequests, late.status)
	require.NotEmpty(t, late.header.Get("Retry-After"))
	e.Key = e.AddKey(t, auth.Key{ID: "other", Permissions: []auth.Permission{auth.FleetRead}})
	require.Equal(t, http.StatusOK, open(t, e, "").status)
}

// pipes is a listener of connections in memory. These hold nothing: a write waits until the
// other side reads, whatever the buffers of the kernel are and however busy the machine is.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.IPAddr{} }

func TestAReaderThatDoesNotReadIsDropped(t *testing.T) {
	t.Parallel()
	e := apitest.New(t)
	e.Server.Hurry(time.Minute, time.Hour, 100*time.Millisecond)
	conns, served := make(pipes, 1), make(chan error, 1)
	web := &http.Server{Handler: e.Server.Handler(), ReadHeaderTimeout: patience}
	go func() { served <- web.Serve(conns) }()
	t.Cleanup(func() {
		require.NoError(t, web.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	server, client := net.Pipe()
	defer func() { _ = client.Close() }()
	conns <- server
	_, err := fmt.Fprintf(client, "GET %s/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", adminapi.Base, e.Key)
	require.NoError(t, err)
	in := bufio.NewReader(client)
	for line := ""; line != ": hello\n"; {
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
	e.Events.Publish(events.Connector, strings.Repeat("x", 63), "ONLINE") // and nothing is read any more
	ended := func() bool {
		return e.Logs.FilterMessage("admin request").FilterField(zap.String("route", adminapi.Base+"/events")).Len() > 0
	}
	require.Eventually(t, ended, patience, 5*time.Millisecond, "it was not dropped")
	_, err = io.Copy(io.Discard, in)
	require.NoError(t, err, "the connection is closed")
}
