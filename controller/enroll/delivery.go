package enroll

import (
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Delivery is how a token gets to its host.
type Delivery string

// Deliveries, from the best to the last choice.
const (
	ByRequest Delivery = "request" // not at all: the host's key is approved
	Sealed    Delivery = "sealed"  // only a key of the host opens it
	ByClaim   Delivery = "claim"   // behind a link that opens once
	Plain     Delivery = "plain"   // shown to whoever asked for it
)

// prepared is what a delivery needs beside the token.
type prepared struct {
	handOver string
	claim    Claim // empty unless there is a link
}

// prepare makes of a new token's secret what its host gets.
func prepare(t *Token, r TokenRequest, token string) (prepared, error) {
	switch r.Delivery {
	case Sealed:
		to, err := keys.ParseRecipient(r.Recipient)
		if err != nil {
			return prepared{}, &FieldError{Field: "recipient", Err: err}
		}
		sealed, err := keys.SealToken(to, token)
		if errors.Is(err, keys.ErrRecipient) {
			return prepared{}, &FieldError{Field: "recipient", Err: keys.ErrRecipient}
		}
		t.Recipient = to.Name()
		return prepared{handOver: sealed}, err
	case ByClaim:
		claim, code, err := newClaim(t.ID, token)
		return prepared{handOver: code, claim: claim}, err
	default:
		return prepared{handOver: token}, nil
	}
}

// validateDelivery knows the deliveries that can be asked for.
func (r TokenRequest) validateDelivery() error {
	switch {
	case r.Delivery != "" && r.Delivery != Plain && r.Delivery != Sealed && r.Delivery != ByClaim:
		return &FieldError{Field: "delivery", Err: errors.New("must be plain, sealed or claim")}
	case r.Delivery == Sealed && r.Recipient == "":
		return &FieldError{Field: "recipient", Err: errors.New("is missing: the age or SSH public key of the host")}
	case r.Delivery != Sealed && r.Recipient != "":
		return &FieldError{Field: "recipient", Err: errors.New("is for delivery sealed only")}
	case r.Delivery == Sealed:
		if _, err := keys.ParseRecipient(r.Recipient); err != nil {
			return &FieldError{Field: "recipient", Err: err}
		}
	}
	return nil
}
