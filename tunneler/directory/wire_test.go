package directory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestWhatADirectoryMayNotSayIsLeftOut: the rest is used, and kept over a restart.
func TestWhatADirectoryMayNotSayIsLeftOut(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	f := startController(t, ca, controller)
	w := start(t, ca, f.addr, dir)
	never := entry("never", "10.0.0.1:9443")
	never.SvidNotBefore = &timestamppb.Timestamp{Seconds: 1 << 62}
	drawing := entry("drawing", "\x1b[2J:1", "10.0.0.2:9443", strings.Repeat("a", 300)+":1")
	f.next <- &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{never, drawing}}
	d := changed(t, w)
	require.Len(t, d.Connectors, 1)
	require.Equal(t, []string{"10.0.0.2:9443"}, d.Connectors[0].Addresses)
	f.stop()
	require.Equal(t, "drawing", changed(t, start(t, ca, "127.0.0.1:1", dir)).Connectors[0].ID)
}

// TestADirectoryOfTheControllersCapIsTaken: one that the tunneler could not receive
// would end each stream it is sent on.
func TestADirectoryOfTheControllersCapIsTaken(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	f := startController(t, ca, controller)
	w := start(t, ca, f.addr, "")
	d := &zerotrustv1.Directory{Revision: 1, Connectors: []*zerotrustv1.DirectoryConnector{entry("good", "10.0.0.1:9443")}}
	for size := 0; size < wire.MaxSnapshot; size += 64 << 10 {
		d.Connectors = append(d.Connectors, &zerotrustv1.DirectoryConnector{Id: strings.Repeat("X", 64<<10)})
	}
	f.next <- d
	require.Equal(t, "good", changed(t, w).Connectors[0].ID)
}
