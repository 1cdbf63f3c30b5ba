package app

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
)

const setPublicAddress = "set public_address to a name or an address at which hosts reach this controller, then restart it"

// publicAddress says what hosts get as our address, or would get.
func (x *checkup) publicAddress(ctx context.Context) []doctor.Finding {
	if x.fault != nil {
		return doctor.Unseen("the configuration is not valid")
	}
	a := &advertised{
		configured: x.cfg.PublicAddress, spireServer: x.cfg.SPIRE.ServerAddress, route: defaultRoute, log: zap.NewNop(),
		enrollment: written(x.cfg.Listen.Enrollment), control: written(x.cfg.Listen.Control),
	}
	if x.cfg.SPIRE.Mode == config.Embedded && a.spireServer == "" {
		a.spire = written(x.cfg.SPIRE.ServerListen)
	}
	a.look(ctx)
	if err := a.check(ctx); err != nil {
		return doctor.Bad(doctor.Fault, setPublicAddress, "%v", err)
	}
	out := doctor.Good("%s", a.explain())
	if sent := readStatus(ctx, x.cfg).Addresses; sent != nil {
		out = append(out, a.unconfigured(*sent)...)
	}
	return out
}

// unconfigured finds loopback addresses that a running controller sends to hosts and
// that neither public_address nor a listener has: an older release did so.
func (a *advertised) unconfigured(sent runFile) (out []doctor.Finding) {
	meant := a.endpoints()
	for _, l := range []struct{ key, sent, meant string }{
		{"enrollment", sent.Enrollment, a.enrollAt()}, {"control", sent.Control, strings.Join(meant.ControlPlane, ",")}, {"SPIRE server", sent.SPIREServer, meant.SPIREServer},
	} {
		if onLoopback(l.sent) && !onLoopback(l.meant) {
			out = append(out, doctor.Bad(doctor.Fault, setPublicAddress, "%s: hosts get the loopback address %s, which is not configured", l.key, l.sent)...)
		}
	}
	return out
}

func onLoopback(hostPort string) bool {
	at, err := netip.ParseAddrPort(hostPort)
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// written is the address of a listener as the configuration has it, which was
// checked. A name is as good as an address here: it is not the wildcard.
func written(listen string) net.Addr {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	at := &net.TCPAddr{IP: net.IPv6unspecified}
	at.Port, _ = strconv.Atoi(port)
	if ip := net.ParseIP(host); ip != nil {
		at.IP = ip
	} else if host != "" {
		at.IP = net.IPv4(127, 0, 0, 1)
	}
	return at
}
