package hostcmd

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// lookTimeout bounds the look at CONNECTOR_ADDR.
const lookTimeout = 5 * time.Second

// lookAtConnectorAddr says at once when no connector of the first directory answers at
// CONNECTOR_ADDR. It is no failure: the directory has the other addresses, and what
// answers there may be corrected without another enrollment.
func (e *enrollment) lookAtConnectorAddr(ctx context.Context, reply *zerotrustv1.EnrollResponse) {
	addr := e.set.ConnectorAddr
	if e.program.Kind != identity.KindTunneler || addr == "" || reply.GetDirectory().GetPartial() {
		return // a directory that is not complete does not show who is missing
	}
	listed := slices.DeleteFunc(slices.Clone(reply.GetDirectory().GetConnectors()), func(c *zerotrustv1.DirectoryConnector) bool {
		return e.set.ConnectorID != "" && c.GetId() != e.set.ConnectorID
	})
	if len(listed) == 0 {
		e.say(fmt.Sprintf("the directory lists no connector yet to dial at CONNECTOR_ADDR %s; run `%s doctor` once the program runs", addr, e.program.Name))
		return
	}
	bundle, err := bundleOf(e.td, reply.GetBundle())
	if err == nil {
		err = answersAt(ctx, addr, bundle, listed)
	}
	if err != nil {
		e.say(fmt.Sprintf("warning: no connector of the directory answers at CONNECTOR_ADDR %s: %v: correct it in %s; the other addresses of the directory are used meanwhile", addr, err, e.conf))
	}
}

func bundleOf(td spiffeid.TrustDomain, in *zerotrustv1.BundleInfo) (*x509bundle.Bundle, error) {
	out := x509bundle.New(td)
	for _, der := range in.GetX509Authorities() {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("trust bundle: %w", err)
		}
		out.AddX509Authority(cert)
	}
	return out, nil
}

// answersAt wants the present holder of a listed id.
func answersAt(ctx context.Context, addr string, bundle *x509bundle.Bundle, listed []*zerotrustv1.DirectoryConnector) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	entry := func(id spiffeid.ID) *zerotrustv1.DirectoryConnector {
		i := slices.IndexFunc(listed, func(c *zerotrustv1.DirectoryConnector) bool { return c.GetSpiffeId() == id.String() })
		if i < 0 {
			return nil
		}
		return listed[i]
	}
	id, svid, err := mtls.PeerAt(ctx, addr, bundle, func(id spiffeid.ID) error {
		if entry(id) == nil {
			return fmt.Errorf("it is %s", id)
		}
		return nil
	})
	if err == nil && !svid.To(identity.HostID(entry(id).GetHostId()), entry(id).GetSvidNotBefore().AsTime()) {
		err = fmt.Errorf("it held the id of %s before and was revoked", id)
	}
	return err
}
