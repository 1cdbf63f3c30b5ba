package flow_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// cpu is what this process has used. Both ends of a flow, the client and the target are in
// it: compare with the raw relay of the same run, which has the same two.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// relayed is two splicing relays in a row, without TLS: what a tunnel costs at least.
func relayed(b *testing.B, to flow.Target) func() net.Conn {
	b.Helper()
	hop := func(addr string) string {
		t := target(b, func(c *net.TCPConn) {
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
			if err != nil {
				return
			}
			up := make(chan struct{})
			go func() {
				defer close(up)
				_, _ = io.Copy(far, c)
				_ = far.(*net.TCPConn).CloseWrite()
			}()
			_, _ = io.Copy(c, far)
			_ = c.CloseWrite()
			<-up
			_ = far.Close()
		})
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(t.Port))
	}
	addr := hop(hop(net.JoinHostPort("127.0.0.1", fmt.Sprint(to.Port))))
	return func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", addr)
		require.NoError(b, err)
		return c
	}
}

// faced is a local listener in front of a pool, as a tunneler's.
func faced(b *testing.B, to flow.Target) func() net.Conn {
	b.Helper()
	ca := mtlstest.NewCA(b, td)
	g := startGateway(b, ca, "gw")
	g.handler.ends = make(chan flow.End, 1<<20)
	p := startLaptop(b, ca)
	p.connect(b, g)
	face := target(b, func(c *net.TCPConn) {
		f, err := p.Open(b.Context(), to)
		if err != nil {
			return
		}
		_, _, _ = flow.Splice(f, c)
	})
	return func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(face.Port)))
		require.NoError(b, err)
		return c
	}
}

func ways(b *testing.B, to flow.Target, run func(b *testing.B, dial func() net.Conn)) {
	for name, way := range map[string]func(*testing.B, flow.Target) func() net.Conn{"raw": relayed, "flow": faced} {
		b.Run(name, func(b *testing.B) { run(b, way(b, to)) })
	}
}

// BenchmarkBulk moves 16 MiB an iteration, up.
func BenchmarkBulk(b *testing.B) {
	const size = 16 << 20
	to := target(b, func(c *net.TCPConn) {
		_, _ = io.Copy(io.Discard, c)
		_, _ = c.Write([]byte("."))
	})
	block := make([]byte, 256<<10)
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ways(b, to, func(b *testing.B, dial func() net.Conn) {
				b.SetBytes(size * int64(n))
				began := cpu()
				for b.Loop() {
					var all sync.WaitGroup
					for range n {
						all.Go(func() {
							c := dial()
							defer func() { _ = c.Close() }()
							for range size / len(block) {
								if _, err := c.Write(block); err != nil {
									b.Error(err)
									return
								}
							}
							_ = c.(*net.TCPConn).CloseWrite()
							_, _ = io.ReadAll(c)
						})
					}
					all.Wait()
				}
				b.ReportMetric((cpu()-began).Seconds()/(float64(b.N)*float64(n)*size/1e9), "CPU-s/GB")
			})
		})
	}
}

// BenchmarkNew opens a flow, exchanges one byte and closes it.
func BenchmarkNew(b *testing.B) {
	to := target(b, echo)
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ways(b, to, func(b *testing.B, dial func() net.Conn) {
				b.SetParallelism(max(1, n/runtime.GOMAXPROCS(0)))
				one := func() {
					c := dial()
					_, _ = c.Write([]byte("x"))
					_, _ = io.ReadFull(c, make([]byte, 1))
					_ = c.Close()
				}
				if n == 1 {
					for b.Loop() {
						one()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one()
					}
				})
			})
		})
	}
}

// BenchmarkPing sends a byte there and back on an open flow.
func BenchmarkPing(b *testing.B) {
	ways(b, target(b, echo), func(b *testing.B, dial func() net.Conn) {
		c := dial()
		defer func() { _ = c.Close() }()
		x := make([]byte, 1)
		for b.Loop() {
			_, _ = c.Write(x)
			_, _ = io.ReadFull(c, x)
		}
	})
}

// BenchmarkIdle reports what an idle flow holds in this process, both ends and both of its
// programs, after it has carried something.
func BenchmarkIdle(b *testing.B) {
	const flows = 500
	held := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	ways(b, target(b, echo), func(b *testing.B, dial func() net.Conn) {
		for b.Loop() {
			before := held()
			all := make([]net.Conn, flows)
			for i := range all {
				all[i] = dial()
				_, _ = all[i].Write([]byte("x"))
				_, _ = io.ReadFull(all[i], make([]byte, 1))
			}
			b.ReportMetric(float64(held()-before)/flows/1024, "KiB/flow")
			for _, c := range all {
				_ = c.Close()
			}
		}
	})
}
