package hostagent_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// TestAnAddressThatIsNoneIsNotKept: it comes from the controller, or from a file, and goes into
// agent.conf and a dialer.
func TestAnAddressThatIsNoneIsNotKept(t *testing.T) {
	t.Parallel()
	dir := hostagent.Dir{Root: t.TempDir()}
	require.NoError(t, dir.Create())
	host := hostagent.Host{HostID: identity.NewHostID(), TrustDomain: td}
	for _, address := range []string{
		"", "a", ":8081", "a:", "a:0", "a:-1", "a:65536", "a:http", "a:8081/x", "a b:8081", "a\nb:8081", "a\"b:8081", "a}b:8081", "${a}:8081", "a/b:8081", "ä:8081",
	} {
		host.SPIREServerAddress = address
		require.ErrorContains(t, dir.WriteHost(host), "SPIRE server address", "%q", address)
	}
	for _, address := range []string{"spire.example.com:8081", "192.0.2.7:1", "[2001:db8::1]:65535", "[fe80::1%eth0]:8081"} {
		host.SPIREServerAddress = address
		require.NoError(t, dir.WriteHost(host), address)
		kept, err := dir.ReadHost()
		require.NoError(t, err)
		require.Equal(t, host, kept)
	}
}
