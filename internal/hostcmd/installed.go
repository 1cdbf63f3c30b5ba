package hostcmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
)

// Installed is an enrollment for the unit that is installed on this host, as the
// installer asks for it.
type Installed struct {
	// ControllerAddr is host:port, ControllerCAPath a file; TrustDomain has a default.
	ControllerAddr, ControllerCAPath, TrustDomain string
	// ID of the connector or tunneler that is enrolled.
	ID string
	// ConnectorAddr is of a tunneler, ConnectorPrivateIP of a connector; optional.
	ConnectorAddr, ConnectorPrivateIP string
	Token                             enrollclient.Token
	// NewHost puts an existing enrollment of this host aside.
	NewHost bool
	// OnlineTimeout defaults to DefaultOnlineTimeout.
	OnlineTimeout time.Duration
	// Enrolled is called once the host is enrolled, before its unit is started: from then
	// on there is something to keep. Optional.
	Enrolled func()

	Stdout, Stderr io.Writer
}

// EnrollInstalled enrolls this host for the program's installed unit, enables and
// starts it, and waits until it is ONLINE, telling what it waits for. Errors:
// ErrNothingSent, enrollclient.ErrRefused (nothing is bound to the host's key),
// ErrNotOnline (the host is enrolled). After any other error the controller may have
// bound the host's key to the token: keep both.
func EnrollInstalled(ctx context.Context, p Program, i Installed) error {
	e := &enrollment{
		program: p, set: defaultEnrollSettings(), conf: p.Conf, runAs: os.Getuid(), unit: p.unit(), newHost: i.NewHost,
		onlineTimeout: i.OnlineTimeout, token: &i.Token, enrolled: i.Enrolled, stdout: i.Stdout, stderr: i.Stderr,
	}
	e.set.ControllerAddr, e.set.ControllerCAPath = i.ControllerAddr, i.ControllerCAPath
	e.set.ConnectorAddr, e.set.ConnectorPrivateIP = i.ConnectorAddr, i.ConnectorPrivateIP
	if i.TrustDomain != "" {
		e.set.TrustDomain = i.TrustDomain
	}
	e.set.setID(p.Kind, i.ID)
	var err error
	if e.td, err = e.set.check(p); err != nil {
		return fmt.Errorf("%w; %w", err, ErrNothingSent)
	}
	return e.run(ctx)
}
