package relay

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
)

const (
	policyFile = "policy.json"
	// maxPolicyFile has room for a fleet of delta.MaxMembers with the longest ids.
	maxPolicyFile = 128 << 20
)

// snapshot is the policy as kept on disk. It holds no secret.
type snapshot struct {
	// Self is whose policy it is: a state directory may be used again under
	// another id.
	Self string `json:"connector"`
	// Timeline is which life of the controller the revision is of.
	Timeline         uint64      `json:"timeline"`
	Revision         uint64      `json:"revision"`
	IssuedAt         time.Time   `json:"issued_at"`
	ConfirmedAt      time.Time   `json:"confirmed_at"`
	Tunnelers        []admission `json:"tunnelers"`
	ControlAddresses []string    `json:"control_plane_addresses"`
	// MaxAgeSeconds is how long it may be used without a controller; 0 is the default.
	MaxAgeSeconds int64 `json:"max_age_seconds,omitempty"`
	// SharedRules are those of all networks, NetworkRules those of this connector's.
	SharedRules  *ruleset.Kept `json:"shared_rules,omitempty"`
	NetworkRules *ruleset.Kept `json:"network_rules,omitempty"`
}

// same compares what a policy says beside its tunnelers; its times of issue and
// confirmation differ each time it is sent.
func (s snapshot) same(o snapshot) bool {
	return s.Timeline == o.Timeline && s.Revision == o.Revision && s.MaxAgeSeconds == o.MaxAgeSeconds && slices.Equal(s.ControlAddresses, o.ControlAddresses)
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
	for i, a := range s.Tunnelers {
		if err := a.check(self.TrustDomain()); err != nil {
			return snapshot{}, fmt.Errorf("%s: %w", path, err)
		}
		s.Tunnelers[i].seconds = a.SVIDNotBefore.Unix()
	}
	return s, nil
}

// parseSnapshot passes over fields that it does not know: a later release may have
// written them.
func parseSnapshot(raw []byte) (snapshot, error) {
	var s snapshot
	err := json.Unmarshal(raw, &s)
	return s, err
}

func (s snapshot) save(path string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}
