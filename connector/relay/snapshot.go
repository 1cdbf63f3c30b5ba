package relay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

const (
	policyFile = "policy.json"
	// maxPolicyFile has room for every tunneler that a controller can send in one
	// message: a line of JSON takes less than four times its place in that.
	maxPolicyFile = 4 * wire.MaxFromController
)

// snapshot is the policy as kept on disk. It holds no secret.
type snapshot struct {
	// Self is whose policy it is: a state directory may be used again under
	// another id.
	Self             string      `json:"connector"`
	Revision         uint64      `json:"revision"`
	IssuedAt         time.Time   `json:"issued_at"`
	ConfirmedAt      time.Time   `json:"confirmed_at"`
	Tunnelers        []admission `json:"tunnelers"`
	ControlAddresses []string    `json:"control_plane_addresses"`
	// MaxAgeSeconds is how long it may be used without a controller; 0 is the default.
	MaxAgeSeconds int64 `json:"max_age_seconds,omitempty"`
}

// admission is one tunneler that may open a session.
type admission struct {
	SPIFFEID      string    `json:"spiffe_id"`
	SVIDNotBefore time.Time `json:"svid_not_before"`
	HostID        string    `json:"host_id,omitempty"`
}

// holder is the present one of an id: its host, and the earliest notBefore of its SVIDs.
type holder struct {
	host  identity.HostID
	since time.Time
}

func (a admission) check(td spiffeid.TrustDomain) error {
	id, err := spiffeid.FromString(a.SPIFFEID)
	if err != nil {
		return fmt.Errorf("%q: %w", wire.Clip(a.SPIFFEID, wire.MaxReason), err)
	}
	if a.HostID != "" {
		if _, err := identity.ParseHostID(a.HostID); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return mtls.Kinds(td, identity.KindTunneler)(id)
}

// admitted needs a snapshot whose tunnelers have been checked.
func (s snapshot) admitted() map[spiffeid.ID]holder {
	out := make(map[spiffeid.ID]holder, len(s.Tunnelers))
	for _, a := range s.Tunnelers {
		if id, err := spiffeid.FromString(a.SPIFFEID); err == nil {
			out[id] = holder{host: identity.HostID(a.HostID), since: a.SVIDNotBefore}
		}
	}
	return out
}

// same compares what a policy says; its times of issue and confirmation differ
// each time it is sent.
func (s snapshot) same(o snapshot) bool {
	return s.Revision == o.Revision && s.MaxAgeSeconds == o.MaxAgeSeconds && slices.Equal(s.Tunnelers, o.Tunnelers) &&
		slices.Equal(s.ControlAddresses, o.ControlAddresses)
}

// KeptPolicyAge is how long the policy in a state directory may be used without a
// controller; zero when there is none, or none that says.
func KeptPolicyAge(stateDir string, self spiffeid.ID) time.Duration {
	if stateDir == "" {
		return 0
	}
	kept, err := loadSnapshot(filepath.Join(stateDir, policyFile), self)
	if err != nil {
		return 0
	}
	return time.Duration(kept.MaxAgeSeconds) * time.Second
}

// loadSnapshot returns the zero snapshot when there is no file.
func loadSnapshot(path string, self spiffeid.ID) (snapshot, error) {
	raw, err := atomicfile.Read(path, maxPolicyFile)
	if absent(err) {
		return snapshot{}, nil
	}
	if err != nil {
		return snapshot{}, err
	}
	s, err := parseSnapshot(raw)
	if err != nil {
		return snapshot{}, fmt.Errorf("%s: %w", path, err)
	}
	if s.Self != self.String() {
		return snapshot{}, fmt.Errorf("%s is the policy of %q, not of %q", path, s.Self, self)
	}
	for _, a := range s.Tunnelers {
		if err := a.check(self.TrustDomain()); err != nil {
			return snapshot{}, fmt.Errorf("%s: %w", path, err)
		}
	}
	return s, nil
}

func parseSnapshot(raw []byte) (snapshot, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var s snapshot
	if err := d.Decode(&s); err != nil {
		return snapshot{}, err
	}
	if d.More() {
		return snapshot{}, errors.New("more than one policy in the file")
	}
	return s, nil
}

func (s snapshot) save(path string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}
