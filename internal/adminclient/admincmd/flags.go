package admincmd

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// The forms of values, for cli.Check. What is of the right form may still be refused by the
// controller, which has the limits.

// labelsForm is of labels with commas between them.
func labelsForm(text string) error {
	for one := range strings.SplitSeq(text, ",") {
		if key, value, _ := strings.Cut(one, "="); key == "" || value == "" {
			return errors.New(quote(one) + " is no label: write key=value, such as env=prod")
		}
	}
	return nil
}

func durationForm(text string) error {
	if _, err := time.ParseDuration(text); err != nil {
		return errors.New(quote(text) + " is no duration: write 10m or 1h30m")
	}
	return nil
}

func networkForm(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return errors.New(quote(text) + " is no network: write 192.0.2.0/24 or 2001:db8::/48")
	}
	return nil
}

// idForm is of the id of a connector, a tunneler or a network.
func idForm(text string) error { return identity.ValidateID(text) }
