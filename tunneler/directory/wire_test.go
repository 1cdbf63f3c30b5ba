package directory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
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
	require.Eventually(t, func() bool { _, err := os.Stat(filepath.Join(dir, "directory.json")); return err == nil }, soon, time.Millisecond)
	f.stop()
	require.Equal(t, "drawing", changed(t, start(t, ca, "127.0.0.1:1", dir)).Connectors[0].ID)
}

// TestALargeDirectoryIsTaken: it comes in many messages, and none of them grows with
// the fleet.
func TestALargeDirectoryIsTaken(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	f := startController(t, ca, controller)
	w := start(t, ca, f.addr, "")
	d := &zerotrustv1.Directory{Revision: 1}
	for i := range 5000 {
		d.Connectors = append(d.Connectors, entry(fmt.Sprintf("c-%05d", i), "connector.of.some.plant.example.com:9443"))
	}
	f.next <- d
	require.Len(t, changed(t, w).Connectors, 5000)
}
