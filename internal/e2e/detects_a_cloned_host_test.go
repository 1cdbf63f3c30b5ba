package e2e_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

const (
	// byPrograms: two programs push each other out within a few reconnects.
	byPrograms = 30 * time.Second
	// byAgents: five readings of the serial, ten seconds apart, and a new hello.
	byAgents = 90 * time.Second
)

// theft is a host behind a cable, and another machine behind another cable with a
// copy of its disk.
type theft struct {
	*system

	victim, thief *world.Host
	here, there   string // their addresses
}

func steal(t *testing.T, kind string, flags ...string) theft {
	t.Helper()
	here, there := newLink(t), newLink(t)
	port := func() string { // one that is still free when the controller comes back
		_, port, err := net.SplitHostPort(hosttest.Address(t))
		require.NoError(t, err)
		return net.JoinHostPort(here.controller, port)
	}
	s := newWorld(t, append(flags, "--public-address", here.controller,
		"--listen-enrollment", port(), "--listen-control", port(), "--spire-server-listen", port())...)
	s.cloned = true
	hub := s.host("hub", "connector", "hub") // of the tunnelers
	hub.Env = []string{"LISTEN_ADDR=" + here.controller + ":0", "CONNECTOR_PRIVATE_IP=" + here.controller}
	s.enroll(hub)
	require.NoError(t, hub.Start())
	s.online(hub)

	victim, thief := s.host("a", kind, "twin-01"), s.host("b", kind, "twin-01")
	for h, l := range map[*world.Host]*link{victim: here, thief: there} {
		h.Where = []string{"ip", "netns", "exec", l.namespace}
		h.Env = []string{"LISTEN_ADDR=" + l.host + ":0", "CONNECTOR_PRIVATE_IP=" + l.host}
	}
	s.enroll(victim)
	require.NoError(t, victim.Start())
	s.online(victim)
	copyDisk(t, victim.Dir, thief.Dir)
	return theft{system: s, victim: victim, thief: thief, here: here.host, there: there.host}
}

// copyDisk copies what a disk image holds: no sockets, and of the programs' own
// notes all.
func copyDisk(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.MkdirAll(target, 0o700)
		case !d.Type().IsRegular() || filepath.Ext(path) == ".log":
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o600)
	}))
}

// found waits for the mark and returns it.
func (s theft) found(within time.Duration) adminapi.Clone {
	s.t.Helper()
	begin := time.Now()
	s.eventually(within, "twin-01 is called cloned", func(ctx context.Context) error {
		seen, err := s.victim.Seen(ctx, s.api)
		if err == nil && !seen.Cloned {
			err = errors.New("not yet")
		}
		return err
	})
	s.t.Logf("cloned host found %.1f s after the second machine started", time.Since(begin).Seconds())
	return *s.seen(s.victim).Clone
}

func (s theft) addresses(c adminapi.Clone) (out []string) {
	s.t.Helper()
	for _, x := range c.Sightings {
		host, _, err := net.SplitHostPort(x.Address)
		require.NoError(s.t, err)
		out = append(out, host)
	}
	return slices.Sorted(slices.Values(out))
}

func (s theft) bothSides() []string { return slices.Sorted(slices.Values([]string{s.here, s.there})) }

// clonedEvents stops the controller and returns its events about clones.
func (s theft) clonedEvents(since time.Time) (out []audit.Event) {
	for _, e := range s.audited(since) {
		if e.Action == audit.HostCloned {
			out = append(out, e)
		}
	}
	return out
}

func TestTwoMachinesWithOneHostKeyAreFoundAndTold(t *testing.T) {
	t.Parallel()
	begin := time.Now()
	s := steal(t, "connector")
	hostID := s.seen(s.victim).HostID
	require.NoError(t, s.thief.Start())
	c := s.found(byPrograms)
	require.Equal(t, s.bothSides(), s.addresses(c))
	require.Equal(t, "connector/twin-01", c.Member)
	require.NotEqual(t, c.Sightings[0].InstanceID, c.Sightings[1].InstanceID)
	list := s.cli("connectors", "list")
	require.Contains(t, list, "cloned: its host key is also used elsewhere, seen from "+c.Sightings[0].Address+" and "+c.Sightings[1].Address)
	s.logged(s.Process, "host is cloned")
	require.True(t, s.seen(s.victim).RevokedAt.IsZero(), "the policy is to alert")

	// It is remembered, told once, and the stream of neither was refused.
	s.killController()
	s.connect()
	s.online(s.victim)
	require.Equal(t, c, *s.seen(s.victim).Clone)
	s.back(s.victim, time.Now()) // they go on pushing each other out
	events := s.clonedEvents(begin)
	require.Len(t, events, 1)
	require.Equal(t, "host/"+hostID, events[0].Target)
	for _, side := range c.Sightings {
		require.Contains(t, events[0].Reason, side.Address)
	}
}

func TestAQuarantinedCloneTakesTheAccessOfBothMachines(t *testing.T) {
	t.Parallel()
	s := steal(t, "tunneler", "--clones", "quarantine")
	hostID := s.seen(s.victim).HostID
	require.NoError(t, s.thief.Start())
	require.Equal(t, s.bothSides(), s.addresses(s.found(byPrograms)))
	require.False(t, s.seen(s.victim).RevokedAt.IsZero())
	s.offline(s.victim)
	s.goneFromSPIRE(s.victim, hostID)
	s.staysOffline(s.victim, neverBack) // it is the id of both

	// The true machine comes back by a new token and a new host key, and starts clean.
	require.NoError(t, s.victim.Stop())
	require.Zero(t, s.try(s.victim, s.token("tunneler", "twin-01").Token, "--new-host").Code)
	require.NoError(t, s.victim.Start())
	s.online(s.victim)
	require.False(t, s.seen(s.victim).Cloned)
	require.NotEqual(t, hostID, s.seen(s.victim).HostID)
}

// TestAStolenKeyInAnotherAgentIsFound: the thief runs SPIRE alone, to get SVIDs
// that he uses where the controller does not see him.
func TestAStolenKeyInAnotherAgentIsFound(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"connector", "tunneler"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := steal(t, kind)
			was := s.seen(s.victim)
			require.NoError(t, s.thief.StartAgent())
			c := s.found(byAgents)
			require.Equal(t, "agent", c.Signal)
			require.Equal(t, []string{s.here}, s.addresses(c))
			s.online(s.victim)
			if kind == "tunneler" {
				require.Equal(t, was.Since, s.seen(s.victim).Since, "its session was left alone")
			}
		})
	}
}
