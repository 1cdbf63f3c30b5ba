package hostagent

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// observe runs one round of probes. A bundle that was fetched is on disk when it
// returns, so that also an agent which restarts by itself starts from it.
func (s *Supervisor) observe(ctx context.Context) Observation {
	said, moved, fetchErr := s.fetch(ctx)
	dialErr := s.dial(ctx)
	healthErr := s.health(ctx)
	child := s.process.Status()
	s.noteRound(fetchErr, dialErr, healthErr)
	s.publish(said, fetchErr)
	return Observation{
		Refused:   s.unwanted(said.Standing, fetchErr),
		At:        s.cfg.Now(),
		Reachable: fetchErr == nil && dialErr == nil,
		Healthy:   healthErr == nil,
		Exited:    child.State == proc.StateBackoff || child.State == proc.StateStopped,
		Deaths:    child.Restarts,
		Moved:     moved,
		Renewed:   said.Renewed,
		Orphaned:  fetchErr == nil && s.orphaned(),
	}
}

// orphaned compares what spire-agent stores of its own SVID with the bundle that
// was fetched. A file that is missing or not understood is ignored.
func (s *Supervisor) orphaned() bool {
	raw, err := os.ReadFile(filepath.Join(s.cfg.Dir.Data(), "agent-data.json"))
	if err != nil {
		return false
	}
	var stored struct {
		SVID [][]byte `json:"svid"` // PEM, leaf first
	}
	if err := json.Unmarshal(raw, &stored); err != nil || len(stored.SVID) == 0 {
		return false
	}
	block, _ := pem.Decode(stored.SVID[0])
	if block == nil {
		return false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(s.authorities, func(a *x509.Certificate) bool {
		return bytes.Equal(a.SubjectKeyId, leaf.AuthorityKeyId)
	})
}

// surelyRefused rounds in a row are no slip of a controller that is just starting.
const surelyRefused = 3

// unwanted counts the rounds in which the controller did not want this host, and has the
// agent started seldom while it does not.
func (s *Supervisor) unwanted(standing Standing, fetchErr error) bool {
	switch {
	case standing.Err() != nil:
		s.refusals++
	case fetchErr == nil: // wanted, or a controller that does not say
		s.refusals = 0
	}
	refused := s.refusals >= surelyRefused
	s.futile.Store(refused)
	return refused
}

// fetch takes over what the controller says.
func (s *Supervisor) fetch(ctx context.Context) (b Bundle, moved bool, err error) {
	within, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	b, err = s.cfg.Fetch(within)
	if err != nil {
		return b, false, fmt.Errorf("fetch bundle: %w", err)
	}
	if err := s.replaceBundle(b); err != nil {
		return b, false, fmt.Errorf("fetch bundle: %w", err)
	}
	s.authorities = b.Authorities
	if b.SyncInterval >= MinSync && b.SyncInterval <= MaxSync {
		s.syncEvery = b.SyncInterval
	}
	if b.TrustErr != nil {
		s.trusting.Fails(s.log, zap.WarnLevel, "the host certificate or the bootstrap CA of this host was not renewed, retrying", b.TrustErr)
	} else {
		s.trusting.Over(s.log, "the host certificate and the bootstrap CA of this host are current again")
	}
	if b.Renewed {
		s.log.Info("host certificate renewed")
	}
	if b.Refused != s.refused && b.Refused != "" {
		s.log.Warn("the controller advertises an address of the SPIRE server that hosts cannot use: set public_address on the controller",
			zap.String("refused", b.Refused), zap.String("kept", s.host.SPIREServerAddress))
	}
	s.refused = b.Refused
	moved, err = s.follow(ctx, b.ServerAddress)
	return b, moved, err
}

func (s *Supervisor) replaceBundle(b Bundle) error {
	data, err := encodeBundle(b.Authorities)
	if err != nil {
		return err
	}
	have, err := os.ReadFile(s.cfg.Dir.Bundle())
	if err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := atomicfile.Write(s.cfg.Dir.Bundle(), data, 0o644); err != nil {
		return err
	}
	s.log.Info("replaced the trust bundle", zap.Int("authorities", len(b.Authorities)))
	return nil
}

// follow writes a new address of the SPIRE server down, unless nobody answers there
// while the present one still does: a controller with a wrong public address must not
// take a server that works away from its hosts.
func (s *Supervisor) follow(ctx context.Context, address string) (moved bool, err error) {
	if address == "" || address == s.host.SPIREServerAddress {
		s.doubted = ""
		return false, nil
	}
	if _, _, err := splitAddress(address); err != nil {
		return false, fmt.Errorf("SPIRE server address: %w", err)
	}
	if fault := s.dialTo(ctx, address); fault != nil && s.dial(ctx) == nil {
		if s.doubted != address {
			s.doubted = address
			s.log.Warn("no SPIRE server answers at the address that the controller advertises: this host keeps its address",
				zap.String("named", address), zap.String("server", s.host.SPIREServerAddress), zap.Error(fault))
		}
		return false, nil
	}
	before := s.host
	if onDisk, err := s.cfg.Dir.ReadHost(); err == nil {
		s.host.ControllerAddress = onDisk.ControllerAddress // set-controller may have changed it
	}
	s.host.SPIREServerAddress = address
	err = s.writeAgentConf()
	if err == nil {
		err = s.cfg.Dir.WriteHost(s.host)
	}
	if err != nil {
		s.host = before // the next round tries again
		return false, err
	}
	s.log.Info("SPIRE server moved", zap.String("from", before.SPIREServerAddress), zap.String("to", address))
	return true, nil
}

// dial opens and closes a connection to the SPIRE server.
func (s *Supervisor) dial(ctx context.Context) error { return s.dialTo(ctx, s.host.SPIREServerAddress) }

func (s *Supervisor) dialTo(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("connect to SPIRE server: %w", err)
	}
	return conn.Close()
}

func (s *Supervisor) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProbeTimeout)
	defer cancel()
	return proc.Serving(ctx, s.cfg.Agent.SocketPath)
}
