package flow_test

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// inUse is what of the heap is in use, without what is kept for later.
func inUse() int {
	runtime.GC()
	runtime.GC() // what a sync.Pool keeps lives for two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestATunnelerThatDoesNotReadHoldsSmallBuffers is not parallel: it measures the heap.
func TestATunnelerThatDoesNotReadHoldsSmallBuffers(t *testing.T) {
	const flows, large = 40, 4
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) { c.Limits.LargeOf = large })
	p := startLaptop(t, ca)
	p.connect(t, g)
	begin := make(chan struct{})
	block := make([]byte, 256<<10)
	var sent atomic.Int64
	to := target(t, func(c *net.TCPConn) {
		<-begin
		for {
			n, err := c.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	for range flows {
		c := p.dial(t, to)
		t.Cleanup(c.Abort)
	}
	before := inUse()
	close(begin)
	last, since := int64(0), time.Now()
	eventually(t, "each flow is held up", func() bool {
		if now := sent.Load(); now != last {
			last, since = now, time.Now()
		}
		return last > flows*int64(len(block)) && time.Since(since) > time.Second
	})
	grown := inUse() - before
	t.Logf("%d flows that are held up hold %d KiB", flows, grown>>10)
	// The large ones, and of each flow a small one and a record of TLS; without a bound it is four times this.
	require.Less(t, grown, large*(256<<10)+flows*(100<<10))
}
