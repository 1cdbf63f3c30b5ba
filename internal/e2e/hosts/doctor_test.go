package hosts_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

// asNobody runs a command as a user who owns nothing.
func asNobody(command ...string) []string {
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, command...)
}

// finds waits until doctor calls exactly these checks faults, and returns all that it
// said.
func (s *site) finds(b *hosts.Box, command []string, checks ...string) (report string) {
	s.t.Helper()
	var got []string
	s.eventually(func() bool {
		report, _ = b.Try(append(command, "doctor", "-o", "json")...)
		var r struct {
			Findings []struct{ Check, Level string }
		}
		// The error line comes after it, in the same place.
		if json.NewDecoder(strings.NewReader(report)).Decode(&r) != nil {
			return false
		}
		got = nil
		for _, f := range r.Findings {
			if f.Level == "fault" && !slices.Contains(got, f.Check) {
				got = append(got, f.Check)
			}
		}
		return slices.Equal(got, checks)
	}, func() string { return fmt.Sprintf("doctor found %v, expected %v: %s", got, checks, report) })
	return report
}

// healthy expects of hosts on which nothing was broken yet that nothing calls for
// attention: no unit has logged an error since the host booted, and doctor has neither
// a fault nor a warning.
func healthy(s *site, gw, lap *hosts.Box) {
	s.t.Helper()
	for _, m := range []struct {
		on      *hosts.Box
		program string
		units   []string
	}{
		{s.controller, "grpccontroller", []string{"grpccontroller.service"}},
		{gw, "grpcconnector", []string{connector.unit, "spire-agent.service"}},
		{gw, "grpctunneler", []string{tunneler.unit}},
		{lap, "grpctunneler", []string{tunneler.unit, "spire-agent.service"}},
	} {
		var r struct {
			Healthy  bool
			Findings []struct{ Check, Level, Found, Do string }
		}
		out, _ := m.on.Try(m.program, "doctor", "-o", "json")
		require.NoError(s.t, json.NewDecoder(strings.NewReader(out)).Decode(&r), out)
		require.NotEmpty(s.t, r.Findings)
		for _, f := range r.Findings {
			assert.Contains(s.t, []string{"ok", "skipped"}, f.Level, "%s doctor: %+v", m.program, f)
		}
		for _, unit := range m.units {
			logged := m.on.Run("journalctl", "--no-pager", "-o", "cat", "-u", unit)
			require.Contains(s.t, logged, `"level":"info"`, "%s logs nothing that this test can read", unit)
			for line := range strings.Lines(logged) {
				assert.NotContains(s.t, line, `"level":"error"`, "%s on the host of %s", unit, m.program)
			}
		}
	}
}

// doctored causes faults that only a host with systemd has, and mends each.
func doctored(t *testing.T, s *site, gw *hosts.Box) {
	t.Helper()
	s.online(gw, connector, gatewayID)
	doctor := []string{"grpcconnector"}
	t.Logf("\n%s", gw.Run(asNobody("grpcconnector", "status")...))
	t.Logf("\n%s", gw.Run(asNobody("grpcconnector", "doctor")...))
	report := s.finds(gw, doctor)
	require.Contains(t, report, "it runs as it was enrolled: systemd:grpcconnector.service, /usr/bin/grpcconnector")
	t.Logf("\n%s", s.controller.Run(asNobody("grpccontroller", "status")...))

	gw.Run("systemctl", "stop", "spire-agent.service")
	require.Contains(t, s.finds(gw, doctor, "agent_unit", "socket"), "systemctl enable --now spire-agent.service")
	gw.Run("systemctl", "start", "spire-agent.service")
	s.finds(gw, doctor)

	gw.Run("chmod", "0750", "/run/spire-agent/public")
	require.Contains(t, s.finds(gw, doctor, "socket"), "chmod o+x /run/spire-agent/public")
	gw.Run("chmod", "0755", "/run/spire-agent/public")

	gw.Run("systemctl", "stop", connector.unit)
	require.Contains(t, s.finds(gw, doctor, "unit", "program"), "systemctl enable --now grpcconnector.service")
	gw.Run("systemctl", "mask", connector.unit)
	require.Contains(t, s.finds(gw, doctor, "unit", "program"), "systemctl unmask grpcconnector.service")
	gw.Run("systemctl", "unmask", connector.unit)

	// The right program in the wrong unit gets no identity.
	gw.Run("systemd-run", "--quiet", "--unit=lookalike", "-p", "EnvironmentFile=/etc/grpcconnector/connector.conf", "-E", "STATE_DIR=", "/usr/bin/grpcconnector", "run")
	report = s.finds(gw, doctor, "unit", "workload", "identity", "readiness")
	require.Contains(t, report, "enrolled to run as grpcconnector.service, and runs as lookalike.service: SPIRE gives it no identity")
	gw.Run("systemctl", "stop", "lookalike.service")
	gw.Run("systemctl", "start", connector.unit)
	s.finds(gw, doctor)
	s.online(gw, connector, gatewayID)
}
