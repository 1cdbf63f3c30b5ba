package containers_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheImagesHoldOneProgramEach and nothing that a thief could use.
func TestTheImagesHoldOneProgramEach(t *testing.T) {
	e := newEngine(t)
	e.images()
	for name, want := range map[string][]string{
		"grpccontroller": {
			"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/grpccontroller", "/usr/lib/grpccontroller/spire-agent", "/usr/lib/grpccontroller/spire-server",
			"/usr/share/doc/grpccontroller/NOTICE", "/usr/share/doc/grpccontroller/copyright",
		},
		"grpcconnector": {
			"/usr/bin/grpcconnector", "/usr/lib/grpc-spire-agent/spire-agent", "/usr/share/doc/grpcconnector/NOTICE", "/usr/share/doc/grpcconnector/copyright",
		},
		"grpctunneler": {
			"/usr/bin/grpctunneler", "/usr/lib/grpc-spire-agent/spire-agent", "/usr/share/doc/grpctunneler/NOTICE", "/usr/share/doc/grpctunneler/copyright",
		},
	} {
		require.Equal(t, want, e.files(name))
		require.Contains(t, e.must("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "all", name, "version"), name+" ")
	}
}
