package dashboard_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

func (s *stage) hostKeyFile(id string) string { return s.c.Path("ssh-" + id) }

// hostKey makes the SSH key of a new host; the reply is its public key.
func (s *stage) hostKey(_ context.Context, q cue) (any, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(s.hostKeyFile(q.ID), pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	s.hosts[q.ID] = s.c.Host(q.ID, q.Kind, q.ID)
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), nil
}

// enrollSealed opens the token with that key, and then starts the host's programs.
func (s *stage) enrollSealed(ctx context.Context, q cue) (any, error) {
	h := s.hosts[q.ID]
	spec, err := h.EnrollSpec("--sealed", "-", "--identity", s.hostKeyFile(q.ID))
	if err != nil {
		return nil, err
	}
	r, err := world.Run(ctx, spec, q.Token)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("enroll %s: exit %d: %s", q.ID, r.Code, r.Stderr)
	}
	if err != nil {
		return nil, err
	}
	return "enrolled", h.Start()
}
