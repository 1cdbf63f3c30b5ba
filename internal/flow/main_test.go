package flow_test

import (
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/goleak"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	tunnelerID  = "spiffe://mycorp.internal/tunneler/laptop"
	connectorID = "spiffe://mycorp.internal/connector/gw"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
