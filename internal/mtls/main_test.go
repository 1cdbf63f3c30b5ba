package mtls_test

import (
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/goleak"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	connectorID  = "spiffe://mycorp.internal/connector/local-01"
	tunnelerID   = "spiffe://mycorp.internal/tunneler/local-01"
	controllerID = "spiffe://mycorp.internal/controller/controller-01"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
