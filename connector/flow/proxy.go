package flow

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// tlvSPIFFEID is the type of the TLV with the SPIFFE ID of the tunneler: of the range for
// applications (0xE0 to 0xEF), and none of those that clouds use (0xE0, 0xEA, 0xEE).
const tlvSPIFFEID proxyproto.PP2Type = 0xE5

// introduce sends a target the header with whose connection this is, before anything of the
// client's: whatever came first would be taken for the header. What is left of the time to connect bounds it.
func (h *Handler) introduce(ctx context.Context, conn net.Conn, o *opened, as access.ProxyProtocol) error {
	if as == "" {
		return nil
	}
	h.mu.Lock()
	to := o.address
	h.mu.Unlock()
	header, err := proxyHeader(o.flow, to, as)
	if err != nil {
		return fmt.Errorf("%w: %w", transport.ErrInternal, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err = conn.Write(header)
	if !stop() { // the deadline is there, or comes
		err = cmp.Or(err, context.Cause(ctx))
	}
	if err != nil {
		return whyNot(err)
	}
	return nil
}

// proxyHeader is the header of a flow that was dialed to an address (docs/flows.md). It has
// one family: of two, IPv4 is written as IPv6 writes it.
func proxyHeader(f *transport.Flow, to netip.AddrPort, as access.ProxyProtocol) ([]byte, error) {
	from := netip.AddrPortFrom(f.From.Addr().Unmap().WithZone(""), f.From.Port())
	if as != access.ProxyV2 || !from.IsValid() || !to.IsValid() {
		return nil, fmt.Errorf("no PROXY header %q from %s to %s", as, from, to)
	}
	h := proxyproto.Header{
		Version: 2, Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv6,
		SourceAddr: net.TCPAddrFromAddrPort(from), DestinationAddr: net.TCPAddrFromAddrPort(to),
	}
	if from.Addr().Is4() && to.Addr().Is4() {
		h.TransportProtocol = proxyproto.TCPv4
	}
	tlvs := []proxyproto.TLV{{Type: tlvSPIFFEID, Value: []byte(f.Tunneler.String())}}
	if _, err := netip.ParseAddr(f.Target.Host); err != nil { // a name, as it was asked for
		tlvs = append(tlvs, proxyproto.TLV{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte(f.Target.Host)})
	}
	if err := h.SetTLVs(tlvs); err != nil {
		return nil, err
	}
	return h.Format()
}
