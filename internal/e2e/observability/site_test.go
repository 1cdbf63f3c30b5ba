package observability_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

// soon is how long anything may take that takes a few seconds on an idle machine.
const soon = 60 * time.Second

// watch knows which alerts were fired by a case.
type watch struct {
	*prometheus

	mu    sync.Mutex
	fired map[string]bool
}

// find returns the active alert of this name with these labels.
func (w *watch) find(ctx context.Context, name string, of map[string]string) (*alert, error) {
	active, err := w.alerts(ctx)
	for _, a := range active {
		if a.Labels["alertname"] == name && within(of, a.Labels) {
			return &a, err
		}
	}
	return nil, err
}

func within(some, all map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// site is a controller that Prometheus scrapes, and what hangs on it.
type site struct {
	*worldtest.World
	t     *testing.T
	watch *watch
	spire string // where its spire-server is scraped
}

// newSite prepares a controller with SPIRE's metrics on free ports.
func newSite(t *testing.T, w *watch, flags ...string) *site {
	t.Helper()
	server, agent := hosttest.Port(t), hosttest.Port(t)
	s := &site{t: t, watch: w, spire: local(server), World: worldtest.New(t, append([]string{
		"--spire-attestation-limit=false",
		"--spire-server-metrics-port", strconv.Itoa(server), "--spire-agent-metrics-port", strconv.Itoa(agent),
	}, flags...)...)}
	w.scrape(t, "spire-server", local(server))
	w.scrape(t, "spire-agent", local(agent))
	return s
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// boot starts the controller, if nobody has yet, and has it scraped.
func (s *site) boot() {
	s.t.Helper()
	if s.Process == nil {
		require.NoError(s.t, s.Start(s.t.Context()))
	}
	s.watch.scrape(s.t, "grpccontroller", s.Run.Health)
	s.Connect()
}

// host prepares a host; its ports stay the same when its programs start again.
func (s *site) host(kind, id string) (h *world.Host, health string) {
	s.t.Helper()
	h = s.Host(id, kind, id)
	health = local(hosttest.Port(s.t))
	agent := hosttest.Port(s.t)
	h.Env = []string{"HEALTH_ADDR=" + health, "AGENT_METRICS_PORT=" + strconv.Itoa(agent)}
	s.watch.scrape(s.t, "spire-agent", local(agent))
	return h, health
}

// start enrolls a host, starts it and has it scraped at health.
func (s *site) start(kind, id string) (h *world.Host, health string) {
	s.t.Helper()
	h, health = s.host(kind, id)
	s.Enroll(h)
	require.NoError(s.t, h.Start())
	s.watch.scrape(s.t, "grpc"+kind, health)
	return h, health
}

// join is start, and waits until it is ONLINE.
func (s *site) join(kind, id string) (h *world.Host, health string) {
	s.t.Helper()
	h, health = s.start(kind, id)
	s.Online(h)
	return h, health
}

// second is another program on a host.
func (s *site) second(of *world.Host, kind, id string) *world.Host {
	s.t.Helper()
	h := s.Second(of, kind, id)
	h.Env = []string{"HEALTH_ADDR=" + local(hosttest.Port(s.t))}
	s.Enroll(h)
	require.NoError(s.t, h.StartProgram())
	s.Online(h)
	return h
}

func (s *site) eventually(what string, check func(context.Context) error) {
	s.t.Helper()
	require.NoError(s.t, world.Eventually(s.t.Context(), soon, what, check))
}

// halt stops the controller and requires a clean end.
func (s *site) halt() {
	s.t.Helper()
	code, err := s.Stop()
	require.NoError(s.t, err)
	require.Zero(s.t, code)
}

// spireServer is the controller's child.
func (s *site) spireServer() int {
	s.t.Helper()
	for _, pid := range world.Children(s.PID()) {
		if world.Program(pid) == "spire-server" {
			return pid
		}
	}
	require.FailNow(s.t, "there is no spire-server")
	return 0
}

// labels of an alert at this address.
func at(instance string, more ...string) map[string]string {
	out := map[string]string{"instance": instance}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// fires requires that an alert is silent, causes its fault, and waits until it
// fires.
func (s *site) fires(name string, of map[string]string, fault func()) {
	s.t.Helper()
	before, err := s.watch.find(s.t.Context(), name, of)
	require.NoError(s.t, err)
	require.Nil(s.t, before, "%s is active before its fault", name)
	begin := time.Now()
	fault()
	s.alerted(name, of, begin)
}

// alerted waits for an alert whose fault began a while ago.
func (s *site) alerted(name string, of map[string]string, since time.Time) {
	s.t.Helper()
	var a *alert
	err := world.Eventually(s.t.Context(), 2*soon, name+" fires", func(ctx context.Context) (err error) {
		a, err = s.watch.find(ctx, name, of)
		switch {
		case err != nil:
			return err
		case a == nil:
			return fmt.Errorf("nothing is known of it with %v", of)
		case a.State != "firing":
			return fmt.Errorf("it is %s", a.State)
		}
		return nil
	})
	require.NoError(s.t, err)
	for _, text := range a.Annotations {
		require.NotContains(s.t, text, "<no value>")
		require.NotContains(s.t, text, "<error")
	}
	s.t.Logf("%s after %.1f s: %s", name, time.Since(since).Seconds(), a.Annotations["summary"])
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.fired[name] = true
}

// rests waits until an alert is over.
func (s *site) rests(name string, of map[string]string) {
	s.t.Helper()
	s.eventually(name+" is over", func(ctx context.Context) error {
		a, err := s.watch.find(ctx, name, of)
		if err == nil && a != nil {
			err = fmt.Errorf("it is %s, %v", a.State, maps.Clone(a.Labels))
		}
		return err
	})
}
