package relay

import (
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// received is what the controller of one stream has sent of its denials.
type received struct {
	latest   map[spiffeid.ID]time.Time
	complete bool
}

// deny takes revocations at once, also of a controller whose policy or audit log is
// refused: they only deny, so there is nothing that such a controller could win.
//
// When the controller has sent all that it has, it gets those that only we hold:
// it may have been restored from a backup of before them. complete says so.
func (r *Relay) deny(d *zerotrustv1.Denials, h *received) (complete bool) {
	if about, everybody := r.denied.TakeEach(d); everybody {
		r.sweep()
	} else {
		r.sweepOf(about)
	}
	if h.complete {
		return false
	}
	entries, _ := denial.Parse(d, r.cfg.TrustDomain)
	for _, e := range entries {
		if h.latest == nil {
			h.latest = map[spiffeid.ID]time.Time{}
		}
		if e.SVIDNotBefore.After(h.latest[e.ID]) && (len(h.latest) < denial.Max || !h.latest[e.ID].IsZero()) {
			h.latest[e.ID] = e.SVIDNotBefore
		}
	}
	if h.complete = d.GetComplete(); !h.complete {
		return false
	}
	select {
	case <-r.returns: // of an earlier stream
	default:
	}
	r.returns <- denial.Messages(r.denied.Since(h.latest))
	h.latest = nil
	return true
}

// genuine says whether a denial is signed by the key of the audit log that we witness. A
// connector that has witnessed none yet keeps what it gets.
func (r *Relay) genuine(e denial.Entry) bool {
	key := r.witness.key()
	return key == "" || denial.Genuine(key, e)
}

func sendReturns(stream controlStream, all []*zerotrustv1.Denials) error {
	for _, m := range all {
		if err := stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Denials{Denials: m}}); err != nil {
			return err
		}
	}
	return nil
}
