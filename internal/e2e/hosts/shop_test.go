package hosts_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

const shopAddress = "10.77.0.250:8443"

// installer is our own connector on a host of a shop: the program that the shop offers
// installs with it, and does nothing else that is real.
const installer = "/root/installer"

// installs is the shell code of a connector that is offered.
func installs(enroll string) string {
	return "[[ $1 == install ]] && exec " + installer + " \"$@\"\n" + enroll
}

// newShop offers small programs that do no more than the installation needs of them.
// What the connector's enroll does is shell code.
func newShop(t *testing.T, network *hosts.Network) *controltest.Shop {
	t.Helper()
	return controltest.NewShop(t, network.Listen("8443"), installs("exit 3"))
}

// scriptText is a script of this tree.
func scriptText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../../scripts/" + name)
	require.NoError(t, err)
	return string(text)
}
