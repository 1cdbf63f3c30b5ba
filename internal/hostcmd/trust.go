package hostcmd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// follow keeps the host's own trust current: the bootstrap CAs that it takes, and its
// certificate. What cannot be done now is said in the bundle and tried again in the next
// round; the bundle counts all the same.
func (c *controllers) follow(ctx context.Context, client *enrollclient.Client, host hostagent.Host, offer enrollclient.Offer) hostagent.Bundle {
	out := offer.Bundle
	err := offer.AnchorsErr
	if err == nil {
		err = c.takeAnchors(host, offer)
	}
	if err == nil {
		out.Renewed, err = c.renew(ctx, client, host, offer)
	}
	if out.Renewed && out.Standing == hostagent.StandingUnknown {
		out.Standing = hostagent.StandingUnsaid // that was said of the certificate before
	}
	out.TrustErr = err
	return out
}

// takeAnchors replaces the file of the bootstrap CAs in one rename.
func (c *controllers) takeAnchors(host hostagent.Host, offer enrollclient.Offer) error {
	if host.ControllerCAPath != c.dir.ControllerCA() || len(offer.Anchors) == 0 {
		return nil // an operator's own file
	}
	now := bootstrap.PEM(offer.Anchors)
	have, err := atomicfile.Read(c.dir.ControllerCA(), maxAnchorsFile)
	if err == nil && bytes.Equal(have, now) {
		return nil
	}
	if err := keepingOwner(c.dir.ControllerCA(), func() error { return atomicfile.Write(c.dir.ControllerCA(), now, 0o644) }); err != nil {
		return fmt.Errorf("keep the bootstrap CA of the controller: %w", err)
	}
	return nil
}

// maxAnchorsFile has room for all CAs that a controller can offer.
const maxAnchorsFile = 64 << 10

// renew has the host certificate renewed when it is due. A host without one is ephemeral.
func (c *controllers) renew(ctx context.Context, client *enrollclient.Client, host hostagent.Host, offer enrollclient.Offer) (renewed bool, err error) {
	pair := shown(c.dir)
	if host.Ephemeral || pair == nil || !offer.Due(pair.Leaf, time.Now()) {
		return false, nil
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return false, errors.New("the host key is no ECDSA key")
	}
	der, err := client.Renew(ctx, host.HostID, key, offer.Anchors)
	if err != nil {
		return false, err
	}
	if bytes.Equal(der, pair.Leaf.Raw) {
		return false, nil
	}
	err = keepingOwner(c.dir.Certificate(), func() error {
		return atomicfile.Write(c.dir.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: run the agent as the user of spire-agent", err)
	}
	return err == nil, err
}
