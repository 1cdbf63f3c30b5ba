package tunnelbench_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

var (
	full   = flag.Bool("full", false, "measure at full length, and hold the limits")
	rounds = flag.Int("rounds", 5, "with -full: of each measurement, of which the median counts")
)

// length is how much a run measures.
type length struct {
	rounds int
	bytes  int64 // of a bulk transfer, over all of its flows
	pings  int
	during time.Duration // of new flows
	idle   int           // flows
}

var short = length{rounds: 1, bytes: 8 << 20, pings: 50, during: 100 * time.Millisecond, idle: 50}

func fullLength() length {
	return length{rounds: *rounds, bytes: 1 << 30, pings: 4000, during: time.Second, idle: 2000}
}

// figures are what was measured of one tunnel, by the name of the row, a value each round.
type figures map[string][]float64

func (f figures) add(row string, value float64) { f[row] = append(f[row], value) }

// median of a row; 0 if there is none.
func (f figures) median(row string) float64 {
	values := slices.Sorted(slices.Values(f[row]))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

// The rows. Those of bulk are followed by the direction and the number of flows.
const (
	bulk, cost = "Gbit/s, ", "CPU-s/GB, "
	pingP50    = "ping-pong p50, us"
	pingP99    = "ping-pong p99, us"
	sequential = "new flows/s, one after the other"
	parallel   = "new flows/s, 32 at a time"
	byClient   = ", the client closes" // follows them; otherwise the target does
	idle       = "idle flow, KiB"
)

func variants() (out []string) {
	for _, direction := range []string{"up", "down"} {
		for _, flows := range []int{1, 8} {
			out = append(out, fmt.Sprintf("%s %d", direction, flows))
		}
	}
	return out
}

// TestTheTunnelAndItsPeers takes turns: each tunnel in each round, so that what the machine
// does besides hits all of them.
func TestTheTunnelAndItsPeers(t *testing.T) {
	l := short
	if *full {
		l = fullLength()
	}
	reno(t)
	files(t)
	b := &builder{House: servers.New(t), t: t, to: hosttest.Address(t)}
	self(t, b.Path("."), "target", "target", b.to)
	listens(t, b.to)
	tunnels := b.all()
	of := map[string]figures{}
	for _, x := range tunnels {
		of[x.name] = figures{}
	}
	for range l.rounds {
		for _, x := range tunnels {
			require.NoError(t, x.measure(l, of[x.name]), x.name)
		}
	}
	for _, x := range tunnels {
		kib, err := x.idle(l.idle)
		require.NoError(t, err, x.name)
		of[x.name].add(idle, kib)
	}
	t.Logf("medians of %d rounds, %d MiB a transfer, %d idle flows\n%s", l.rounds, l.bytes>>20, l.idle, table(tunnels, of))
	missed := judge(of)
	if *full {
		require.Empty(t, missed)
	}
	require.Len(t, of[ours], 2*len(variants())+7, "everything was measured")
}

// measure is one round of one tunnel.
func (x tunnel) measure(l length, f figures) error {
	for _, v := range variants() {
		direction, count, _ := strings.Cut(v, " ")
		flows, err := strconv.Atoi(count)
		if err != nil {
			return err
		}
		before, began := x.cpu(), time.Now()
		if err := at(flows, func(int) error { return transfer(x.at, direction == "up", l.bytes/int64(flows)) }); err != nil {
			return fmt.Errorf("bulk %s: %w", v, err)
		}
		took := time.Since(began)
		f.add(bulk+v, float64(l.bytes)*8/took.Seconds()/1e9)
		f.add(cost+v, (x.cpu()-before).Seconds()/(float64(l.bytes)/1e9))
	}
	pings, err := ping(x.at, l.pings)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	slices.Sort(pings)
	f.add(pingP50, us(pings[len(pings)/2]))
	f.add(pingP99, us(pings[len(pings)*99/100]))
	for row, workers := range map[string]int{sequential: 1, parallel: 32} {
		for closes, what := range map[string]byte{"": replies, byClient: echoes} {
			n, err := x.flows(workers, what, l.during)
			if err != nil {
				return fmt.Errorf("%s%s: %w", row, closes, err)
			}
			f.add(row+closes, n)
		}
	}
	return nil
}

// flows is how many new ones there are in a second, of so many clients.
func (x tunnel) flows(clients int, what byte, during time.Duration) (float64, error) {
	var n atomic.Int64
	began := time.Now()
	err := at(clients, func(int) error {
		for time.Since(began) < during {
			if err := request(x.at, what); err != nil {
				return err
			}
			n.Add(1)
		}
		return nil
	})
	return float64(n.Load()) / time.Since(began).Seconds(), err
}

// at runs fn this many times at once.
func at(n int, fn func(int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = fn(i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// idle opens flows, each of which has said something, and returns what a further one takes.
func (x tunnel) idle(flows int) (kib float64, err error) {
	before, err := x.memory()
	if err != nil {
		return 0, err
	}
	conns, err := x.openIdle(flows)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	if err != nil {
		return 0, err
	}
	after, err := x.memory()
	return (after - before) / float64(flows), err
}

// openIdle opens flows, each of which has said something. They may be there beside an error.
func (x tunnel) openIdle(flows int) ([]net.Conn, error) {
	conns := make([]net.Conn, flows)
	const workers = 16
	return conns, at(workers, func(w int) error {
		for i := w; i < flows; i += workers {
			c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(context.Background(), "tcp", x.at)
			if err != nil {
				return err
			}
			conns[i] = c
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			if _, err = c.Write([]byte{echoes, 'x'}); err == nil {
				_, err = c.Read(make([]byte, 1))
			}
			if err != nil {
				return fmt.Errorf("idle flow %d: %w", i, err)
			}
		}
		return nil
	})
}

// cpu is what both ends have used, with their children.
func (x tunnel) cpu() (total time.Duration) {
	for _, pid := range x.pids() {
		d, err := world.CPUTime(pid)
		if err == nil { // else it has ended meanwhile
			total += d
		}
	}
	return total
}

func (x tunnel) pids() (out []int) {
	for _, p := range x.ends {
		out = append(append(out, p.PID()), world.Children(p.PID())...)
	}
	return out
}

// memory is the sum of what is theirs of the pages of both ends, in KiB. That of sockets is the kernel's
// and not in it.
func (x tunnel) memory() (kib float64, err error) {
	for _, pid := range x.pids() {
		raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); f[0] == "Pss:" {
				n, err := strconv.ParseFloat(f[1], 64)
				if err != nil {
					return 0, err
				}
				kib += n
			}
		}
	}
	return kib, nil
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// reno is the congestion control of this namespace from now on: bbr, which may be the
// machine's, halves what loopback carries.
func reno(t *testing.T) {
	t.Helper()
	all, err := net.Interfaces()
	require.NoError(t, err)
	require.Len(t, all, 1, "run it in a network namespace of its own, which has loopback only: go test -exec internal/e2e/apart.sh")
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte("reno"), 0o600))
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("10000 60999"), 0o600))
}

// files lets this process and those that it starts have as many as they may.
func files(t *testing.T) {
	t.Helper()
	var l unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &l))
	l.Cur = l.Max
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &l))
}
