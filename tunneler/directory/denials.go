package directory

import (
	"slices"

	"go.uber.org/zap"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// without gives each connector the earliest notBefore that the denials leave. In a
// directory that names a revoked connector, as one from the disk or of a restored
// controller may, only an SVID of after the revocation counts.
func (w *Watcher) without(in []Connector) []Connector {
	out := slices.Clone(in)
	for i, c := range out {
		if before := w.denied.Before(c.SPIFFEID); before.After(c.SVIDNotBefore) {
			out[i].SVIDNotBefore = before
		}
	}
	return out
}

// deny takes revocations at once, whatever the revision of the directory is: they can only
// remove access.
func (w *Watcher) deny(d *zerotrustv1.Denials) {
	if !w.denied.Take(d) {
		return
	}
	w.mu.Lock()
	next := w.without(w.current.Connectors)
	moved := !slices.EqualFunc(w.current.Connectors, next, Connector.equal)
	w.current.Connectors = next
	w.mu.Unlock()
	if !moved {
		return
	}
	w.cfg.Log.Info("connectors of the directory denied", zap.Int("denials", len(d.GetDenials())))
	w.wakeSessions()
}
