package directory

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

const (
	reportEvery  = 10 * time.Second
	reportWithin = 5 * time.Second
)

// Unproven notes a proof of a peer that was refused, for the controller's audit log: a
// connector may be the one that lies. It is for reproof.Client.OnRefusal.
func (w *Watcher) Unproven(r reproof.Refusal) { w.unproven.Add(r) }

// reporting sends refused proofs to the controller while conn is used; the function
// that it returns ends that and waits for it.
func (w *Watcher) reporting(ctx context.Context, conn *grpc.ClientConn) (stop func()) {
	every := w.cfg.ReportEvery
	if every == 0 {
		every = reportEvery
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.report(ctx, conn)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); running.Wait() }
}

// report sends what there is. What cannot be sent is in our own log and metrics only.
func (w *Watcher) report(ctx context.Context, conn *grpc.ClientConn) {
	proofs := w.unproven.Take()
	if proofs == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	if _, err := zerotrustv1.NewDirectoryServiceClient(conn).Report(ctx, &zerotrustv1.ReportRequest{Proofs: proofs}); err != nil {
		w.cfg.Log.Warn("refused proofs not reported to the controller", zap.Error(err))
	}
}
