package dashboard_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to let five minutes pass

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
)

// soon is how long anything may take that takes seconds on an idle machine.
const soon = 90 * time.Second

// stage is what the suite cannot do from a browser.
type stage struct {
	*httptest.Server
	c     *worldtest.World
	api   *adminclient.Client
	hosts map[string]*world.Host
	asks  map[string]*world.Process // enroll --request, by id
	other string                    // directory of a controller with another build of the dashboard
}

// cue is what the suite asks for.
type cue struct {
	Kind, ID, Token string
	What, Secret    string
}

func newStage(t *testing.T, c *worldtest.World) *stage {
	t.Helper()
	s := &stage{c: c, hosts: map[string]*world.Host{}, asks: map[string]*world.Process{}}
	mux := http.NewServeMux()
	for path, do := range map[string]func(context.Context, cue) (any, error){
		"/setup-link": s.setupLink, "/enroll": s.enroll, "/host-key": s.hostKey, "/enroll-sealed": s.enrollSealed, "/request": s.request, "/requested": s.requested, "/online": s.online, "/stop": s.stop, "/five-minutes-pass": s.fiveMinutesPass, "/confirmed": s.confirmed, "/secret": s.secret,
		"/freeze": s.freeze, "/thaw": s.thaw, "/kill": s.kill, "/restart": s.restart, "/end": s.end, "/upgrade": s.upgrade,
	} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var in cue
			err := json.NewDecoder(r.Body).Decode(&in)
			var out any
			if err == nil {
				out, err = do(r.Context(), in)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(out)
		})
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() { _ = c.Signal(syscall.SIGCONT) })
	t.Cleanup(s.Close)
	return s
}

func (s *stage) setupLink(context.Context, cue) (any, error) {
	b, err := os.ReadFile(filepath.Join(s.c.Dir, "setup-link"))
	return strings.TrimSpace(string(b)), err
}

// enroll runs the command of the page on a host, and then its programs.
func (s *stage) enroll(ctx context.Context, q cue) (any, error) {
	if _, err := s.client(ctx); err != nil {
		return nil, err
	}
	h := s.c.Host(q.ID, q.Kind, q.ID)
	r, err := h.Enroll(ctx, q.Token)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("enroll %s: exit %d: %s", q.ID, r.Code, r.Stderr)
	}
	if err != nil {
		return nil, err
	}
	s.hosts[q.ID] = h
	return "enrolled", h.Start()
}

// screen is what enroll --request shows on the host.
type screen struct {
	Event       string `json:"event"`
	Code        string `json:"code"`
	Fingerprint string `json:"fingerprint"`
}

// request runs enroll --request on a new host and tells what its screen shows.
func (s *stage) request(ctx context.Context, q cue) (any, error) {
	h := s.c.Host(q.ID, q.Kind, q.ID)
	spec, err := h.EnrollSpec("--request", "-o", "json")
	if err != nil {
		return nil, err
	}
	p, err := world.Start(spec)
	if err != nil {
		return nil, err
	}
	s.hosts[q.ID], s.asks[q.ID] = h, p
	return s.shows(ctx, p, "pending")
}

// requested waits until a host that asked is enrolled, and starts its programs.
func (s *stage) requested(ctx context.Context, q cue) (any, error) {
	_, err := s.shows(ctx, s.asks[q.ID], "enrolled")
	if err != nil {
		return nil, err
	}
	<-s.asks[q.ID].Done()
	return "enrolled", s.hosts[q.ID].Start()
}

func (s *stage) shows(ctx context.Context, p *world.Process, event string) (out screen, err error) {
	err = world.Eventually(ctx, soon, p.Name+" shows "+event, func(context.Context) error {
		text, err := os.ReadFile(p.Log)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if json.Unmarshal([]byte(line), &out) == nil && out.Event == event {
				return nil
			}
		}
		return errors.New("not yet: " + p.Tail(3))
	})
	return out, err
}

// online waits for the API to say ONLINE and tells when it did, in ms of the clock
// that the browser has too. It asks every 10 ms, so the API may have known a little
// earlier.
func (s *stage) online(ctx context.Context, q cue) (any, error) {
	api, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.hosts[q.ID].Online(ctx, api)
		if err == nil {
			return time.Now().UnixMilli(), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(err, fmt.Errorf("host:\n%s", s.hosts[q.ID].Program.Tail(5)))
		}
	}
}

// client asks with a key of its own, which the dashboard lists.
func (s *stage) client(ctx context.Context) (*adminclient.Client, error) {
	if s.api != nil {
		return s.api, nil
	}
	file := s.c.Path("stage-key")
	r, err := s.c.CLI(ctx, "key", "create", "--name", "monitoring", "--scope", "fleet:read", "--out", file)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("key create: exit %d: %s", r.Code, r.Stderr)
	}
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	s.api = adminclient.New("http://"+s.c.Run.Admin, strings.TrimSpace(string(b)))
	return s.api, err
}

func (s *stage) stop(_ context.Context, q cue) (any, error) {
	h := s.hosts[q.ID]
	delete(s.hosts, q.ID)
	return "stopped", h.Stop()
}

// freeze stops the controller as a host that hangs does: connections stay open, and
// nothing comes.
func (s *stage) freeze(context.Context, cue) (any, error) {
	return "frozen", s.c.Pause()
}

func (s *stage) thaw(context.Context, cue) (any, error) {
	return "thawed", s.c.Signal(syscall.SIGCONT)
}

// kill ends the controller without a word.
func (s *stage) kill(context.Context, cue) (any, error) {
	s.c.Kill()
	return "killed", nil
}

// restart starts it again, on the same addresses.
func (s *stage) restart(ctx context.Context, _ cue) (any, error) {
	return "started", s.c.Start(ctx)
}

// end stops the controller as systemd does.
func (s *stage) end(context.Context, cue) (any, error) {
	_, err := s.c.Stop()
	return "ended", err
}

// upgrade starts the other controller, on the same addresses; the next upgrade leads back.
func (s *stage) upgrade(ctx context.Context, q cue) (any, error) {
	s.c.Bin, s.other = s.other, s.c.Bin
	return s.restart(ctx, q)
}

// fiveMinutesPass makes every re-authentication an old one.
func (s *stage) fiveMinutesPass(ctx context.Context, _ cue) (any, error) {
	return s.stepUpUntil(ctx, time.UnixMicro(0))
}

// confirmed makes every re-authentication a fresh one. A confirmation would give the session
// another cookie, which the other browsers of the same person do not have.
func (s *stage) confirmed(ctx context.Context, _ cue) (any, error) {
	return s.stepUpUntil(ctx, time.Now().Add(5*time.Minute))
}

func (s *stage) stepUpUntil(ctx context.Context, t time.Time) (any, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.c.Dir, "controller.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, `UPDATE sessions SET step_up_until = ?`, t.UnixMicro())
	return "done", err
}

// secret is something that the browser was shown, or typed, and that no log may hold.
func (s *stage) secret(_ context.Context, q cue) (any, error) {
	s.c.Secrets.Add(q.What, q.Secret)
	return "noted", nil
}
