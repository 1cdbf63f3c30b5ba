// Command benchenroll measures how long a new connector takes from the start of
// `grpcconnector enroll` until the admin API says ONLINE, and beside it, in the
// same run and on the same spire-server, what bare SPIRE needs at least: create
// an entry, wait for the server's cache, attest an agent, first SVID. It judges nothing:
// scripts/bench-against.sh compares two commits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// apart keeps runs clear of SPIRE's limit of one attestation a second per address.
const apart = 1100 * time.Millisecond

func main() {
	bin := flag.String("bin", "bin", "directory of the programs")
	runs := flag.Int("n", 20, "runs of each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx, *bin, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchenroll:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, bin string, runs int) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "zt-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	c := world.NewController(bin, filepath.Join(dir, "c"))
	if err := c.Start(ctx); err != nil {
		return err
	}
	defer func() {
		_, stopErr := c.Stop()
		err = errors.Join(err, stopErr)
	}()
	api := c.Client()
	floor, err := newFloor(ctx, c, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, floor.close()) }()

	var ours, enrolls, bare []time.Duration
	next := time.NewTicker(apart)
	defer next.Stop()
	for i := range runs {
		<-next.C
		enroll, online, err := enrollOnce(ctx, c, api, dir, i)
		if err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
		enrolls, ours = append(enrolls, enroll), append(ours, online)
		next.Reset(apart)
		<-next.C
		d, err := floor.once(ctx, i)
		if err != nil {
			return fmt.Errorf("run %d of bare SPIRE: %w", i+1, err)
		}
		bare = append(bare, d)
		next.Reset(apart)
		fmt.Printf("run %2d   enroll to ONLINE %4d ms (of it the command %4d ms)   bare SPIRE %4d ms\n",
			i+1, online.Milliseconds(), enroll.Milliseconds(), d.Milliseconds())
	}
	return report(ours, enrolls, bare)
}

// enrollOnce enrolls a fresh host. The token is there before the clock starts.
func enrollOnce(ctx context.Context, c *world.Controller, api *adminclient.Client, dir string, i int) (enroll, online time.Duration, err error) {
	h := c.NewHost(filepath.Join(dir, fmt.Sprintf("h%d", i)), "connector", fmt.Sprintf("connector-%02d", i))
	token, err := api.CreateToken(ctx, adminapi.TokenRequest{Kind: h.Kind, ID: h.ID})
	if err != nil {
		return 0, 0, err
	}
	begin := time.Now()
	r, err := h.Enroll(ctx, token.Token)
	if err != nil || r.Code != 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("enroll: exit %d: %s", r.Code, r.Stderr))
	}
	enroll = time.Since(begin)
	if err := h.Start(); err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, h.Stop()) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for time.Since(begin) < 30*time.Second {
		if h.Online(ctx, api) == nil {
			return enroll, time.Since(begin), nil
		}
		<-tick.C
	}
	return 0, 0, fmt.Errorf("%s is not ONLINE after 30 s:\n%s", h.ID, h.Program.Tail(10))
}

// Limits that the product promises.
const (
	maxMedian = 1500 * time.Millisecond
	maxP95    = 2 * time.Second
	maxRatio  = 2.0
)

func report(ours, enrolls, bare []time.Duration) error {
	median, p95 := quantile(ours, 0.5), quantile(ours, 0.95)
	ratio := float64(median) / float64(quantile(bare, 0.5))
	fmt.Printf(`
enroll to ONLINE   median %4d ms   p95 %4d ms   (limits %d and %d)
  of it enroll     median %4d ms
bare SPIRE         median %4d ms   p95 %4d ms
ratio of medians   %.2f             (limit %.1f)
`, median.Milliseconds(), p95.Milliseconds(), maxMedian.Milliseconds(), maxP95.Milliseconds(),
		quantile(enrolls, 0.5).Milliseconds(),
		quantile(bare, 0.5).Milliseconds(), quantile(bare, 0.95).Milliseconds(), ratio, maxRatio)
	if median > maxMedian || p95 > maxP95 || ratio > maxRatio {
		return errors.New("over the limit")
	}
	return nil
}

// quantile is the nearest-rank quantile.
func quantile(d []time.Duration, q float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}
