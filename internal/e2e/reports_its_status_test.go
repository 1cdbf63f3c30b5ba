package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// command runs a command of the host's program with its conf file.
func (s *system) command(h *world.Host, args ...string) world.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	r, err := world.Run(ctx, h.Spec(args[0], append(args, "--config", h.ConfFile())...), "")
	require.NoError(s.t, err)
	s.said.WriteString(r.Stdout + r.Stderr)
	return r
}

// diagnosis is what doctor -o json prints.
type diagnosis struct {
	Healthy  bool
	Findings []struct{ Check, Level, Found, Do string }
}

func (d diagnosis) level(level string) (out []string) {
	for _, f := range d.Findings {
		if f.Level == level && !slices.Contains(out, f.Check) {
			out = append(out, f.Check)
		}
	}
	return out
}

// doctor examines the host.
func (s *system) doctor(h *world.Host, args ...string) diagnosis {
	s.t.Helper()
	r := s.command(h, append([]string{"doctor", "-o", "json"}, args...)...)
	d := decode[diagnosis](s.t, r.Stdout)
	require.Equal(s.t, d.Healthy, r.Code == 0, "%s", r.Stderr)
	for _, f := range d.Findings {
		require.NotEmpty(s.t, f.Found, "%+v", f)
		require.Equal(s.t, f.Level == "fault" || f.Level == "warning", f.Do != "", "%+v", f)
	}
	return d
}

// findsEventually waits until doctor calls exactly these checks faults, and returns
// what to do about them.
func (s *system) findsEventually(h *world.Host, args []string, checks ...string) (do string) {
	s.t.Helper()
	s.eventually(soon, fmt.Sprintf("doctor finds %v", checks), func(context.Context) error {
		d := s.doctor(h, args...)
		if got := d.level("fault"); !slices.Equal(got, checks) {
			return fmt.Errorf("faults: %v of %+v", got, d.Findings)
		}
		do = ""
		for _, f := range d.Findings {
			do += f.Do + "\n"
		}
		return nil
	})
	return do
}

func TestStatusAndDoctorOnHostsThatAreFine(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	for _, h := range []*world.Host{connector, tunneler} {
		s.eventually(soon, "ready", func(ctx context.Context) error {
			a, err := h.Addresses()
			if err != nil {
				return err
			}
			return world.Readyz(ctx, a.Health)
		})
		page := s.command(h, "status")
		require.Zero(t, page.Code, page.Stdout+page.Stderr)
		t.Logf("\n%s", page.Stdout)
		for _, want := range []string{
			"grpc" + h.Kind + " " + h.ID + "  ready", "spiffe://" + trustDomain + "/" + h.Kind + "/" + h.ID, "agent up", "left, until ",
			"connected to " + s.Run.Control + " since ", "without SPIRE for ",
		} {
			require.Contains(t, page.Stdout, want)
		}
		report := s.command(h, "doctor")
		t.Logf("\n%s", report.Stdout)
		d := s.doctor(h)
		require.True(t, d.Healthy, "%s", report.Stdout)
		require.Empty(t, d.level("warning"), "%s", report.Stdout)
	}
	require.Contains(t, s.command(connector, "status").Stdout, "t-01 connected to ")
	require.Contains(t, s.command(tunneler, "status").Stdout, "c-01 connected to ")

	var st struct {
		Running bool
		HostID  string `json:"host_id"`
		Agent   struct{ Up bool }
		Program struct {
			SPIFFEID string `json:"spiffe_id"`
			Ready    bool
			SVID     struct {
				NotAfter time.Time `json:"not_after"`
			}
			Policy struct {
				MaxAgeSeconds int `json:"max_age_seconds"`
			}
			Sessions []struct{ Peer string }
			Checks   []struct{ Name, Detail string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.command(connector, "status", "-o", "json").Stdout), &st))
	require.True(t, st.Running && st.Agent.Up && st.Program.Ready)
	require.Len(t, st.HostID, 32)
	require.Equal(t, "t-01", st.Program.Sessions[0].Peer)
	require.Equal(t, 24*3600, st.Program.Policy.MaxAgeSeconds)
	require.True(t, st.Program.SVID.NotAfter.After(time.Now()))
	for _, c := range st.Program.Checks {
		require.NotEmpty(t, c.Detail, "%s says how it is while it is fine", c.Name)
	}
}

// TestDoctorFindsFaultsOfARunningHost causes faults one after the other, and mends
// each as doctor says.
func TestDoctorFindsFaultsOfARunningHost(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	h := s.join("a", "connector", "c-01")
	s.findsEventually(h, nil)

	// Another controller's CA.
	other := filepath.Join(s.dir, "other.crt")
	r, err := world.Run(t.Context(), world.Spec{
		Name: "bootstrap-ca", Dir: s.dir, Path: filepath.Join(s.Bin, "grpccontroller"), Args: []string{"bootstrap-ca", "--data-dir", filepath.Join(s.dir, "elsewhere")},
	}, "")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stderr)
	require.NoError(t, os.WriteFile(other, []byte(r.Stdout), 0o600))
	do := s.findsEventually(h, []string{"--controller-ca-path", other}, "trust")
	require.Contains(t, do, "grpccontroller bootstrap-ca | openssl x509 -noout -fingerprint -sha256")

	// Another user than the one that was enrolled.
	conf, err := os.ReadFile(h.ConfFile())
	require.NoError(t, err)
	asAnother := strings.Replace(string(conf), fmt.Sprintf("ENROLLED_AS=uid:%d\n", os.Getuid()), "ENROLLED_AS=uid:54321\n", 1)
	require.NotEqual(t, string(conf), asAnother)
	require.NoError(t, os.WriteFile(h.ConfFile(), []byte(asAnother), 0o600))
	do = s.findsEventually(h, nil, "workload")
	require.Contains(t, do, "start it as user 54321")
	require.NoError(t, os.WriteFile(h.ConfFile(), conf, 0o600))

	// A stopped agent.
	_, err = h.Agent.Stop()
	require.NoError(t, err)
	do = s.findsEventually(h, nil, "socket")
	require.Contains(t, do, "grpcconnector agent run")
	status := s.command(h, "status")
	require.Zero(t, status.Code, "its SVID is good for minutes")
	require.Contains(t, status.Stdout, "agent down")
	require.NoError(t, h.StartAgent())
	s.findsEventually(h, nil)

	// A stopped controller.
	_, err = s.Stop()
	require.NoError(t, err)
	do = s.findsEventually(h, nil, "readiness", "port")
	require.Contains(t, do, "nothing listens there: is the program running")
	require.NoError(t, s.Start(t.Context()))
	s.findsEventually(h, nil)

	// A stopped program.
	_, err = h.Program.Stop()
	require.NoError(t, err)
	do = s.findsEventually(h, nil, "program")
	require.Contains(t, do, "start `grpcconnector run --config "+h.ConfFile())
	status = s.command(h, "status")
	require.Equal(t, 1, status.Code)
	require.Contains(t, status.Stderr, "start it with `")

	// And a socket that its user, were it not root, could not write to.
	require.NoError(t, os.Chmod(s.dir, 0o755))
	require.NoError(t, os.Chmod(h.Dir, 0o755))
	require.NoError(t, os.WriteFile(h.ConfFile(), []byte(asAnother), 0o600))
	require.NoError(t, os.Chmod(h.Socket(), 0o700))
	require.Contains(t, s.findsEventually(h, nil, "program", "socket"), "chmod 0777 "+h.Socket())
	require.NoError(t, os.Chmod(h.Socket(), 0o777))
	s.findsEventually(h, nil, "program")
}

// controllerDoctor examines the controller, with its own flags. It may stand where
// there is no default route, which doctor faults unless an address is configured.
func (s *system) controllerDoctor(flags ...string) diagnosis {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), append([]string{"doctor", "-o", "json", "--public-address", "127.0.0.1"}, flags...)...)
	require.NoError(s.t, err)
	d := decode[diagnosis](s.t, r.Stdout)
	require.Equal(s.t, d.Healthy, r.Code == 0, "%s", r.Stderr)
	return d
}

func TestStatusAndDoctorOfTheController(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	r, err := s.CLI(t.Context(), "status")
	require.NoError(t, err)
	require.Zero(t, r.Code, r.Stdout+r.Stderr)
	t.Logf("\n%s", r.Stdout)
	require.Contains(t, r.Stdout, "grpccontroller  ready\n")
	require.Contains(t, r.Stdout, s.Run.Enrollment)
	for _, c := range []string{"store", "spire_server", "spire_agent", "identity", "spire_entries", "audit_log"} {
		require.Regexp(t, `ok    `+c+` +\S`, r.Stdout)
	}
	d := s.controllerDoctor()
	require.True(t, d.Healthy, "%+v", d.Findings)

	require.NoError(t, os.Chmod(s.Dir, 0o755))
	require.Equal(t, []string{"data_dir"}, s.controllerDoctor().level("fault"))
	require.NoError(t, os.Chmod(s.Dir, 0o700))
	require.Equal(t, []string{"conf"}, s.controllerDoctor("--policy-age", "-1s").level("fault"))
	noPEM := filepath.Join(s.Dir, "setup-link")
	require.Equal(t, []string{"admin_certificate"}, s.controllerDoctor("--admin-tls-cert", noPEM, "--admin-tls-key", noPEM).level("fault"))

	taken := s.Run.Enrollment
	_, err = s.Stop()
	require.NoError(t, err)
	r, err = s.CLI(t.Context(), "status", "-o", "json")
	require.NoError(t, err)
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Stdout, `"running": false`)
	d = s.controllerDoctor("--listen-enrollment", taken)
	require.Equal(t, []string{"program"}, d.level("fault"), "%+v", d.Findings)
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", taken)
	require.NoError(t, err)
	defer func() { _ = lis.Close() }()
	d = s.controllerDoctor("--listen-enrollment", taken)
	require.Equal(t, []string{"program", "port"}, d.level("fault"), "%+v", d.Findings)
}
