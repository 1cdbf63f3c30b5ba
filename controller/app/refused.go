package app

import (
	"fmt"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// namedRefusing is how many connectors are named in a check.
const namedRefusing = 5

// refused says which connectors refuse what this controller sends, and what to do. It
// is nil if none does.
func refused(by []presence.Refusing) error {
	if len(by) == 0 {
		return nil
	}
	ids := make([]string, 0, namedRefusing)
	for _, c := range by[:min(len(by), namedRefusing)] {
		ids = append(ids, c.ID)
	}
	if more := len(by) - len(ids); more > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("connectors refuse the policy of this controller: %s (%s). If it was restored or installed anew, stop it and run "+
		"`grpccontroller recovery start` with the recovery key, or `grpcconnector witness reset --yes` on their hosts as root; if not, somebody may have changed its database", strings.Join(ids, ", "), by[0].Reason)
}
