package flow

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	transport "github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// mostAddresses of a name are tried.
const mostAddresses = 8

// refusal is a decision about the addresses of a name, of which none is allowed.
type refusal struct{ access.Decision }

// Error implements error.
func (r *refusal) Error() string { return string(r.Code) }

// connect resolves and dials. A name may have addresses of which only some are allowed; if none is,
// the error is a *refusal.
func (h *Handler) connect(ctx context.Context, o *opened) (net.Conn, error) {
	addresses, err := h.resolve(ctx, o.flow.Target.Host)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	decided := o.last
	h.mu.Unlock()
	var fault error
	refused := access.Decision{}
	for at, addr := range addresses {
		to := netip.AddrPortFrom(addr, o.flow.Target.Port)
		if d := h.decideAddress(o, decided, to, time.Now()); !d.Allowed {
			refused = d
			continue
		}
		h.mu.Lock()
		o.address = to // from here on Recheck asks about it too
		h.mu.Unlock()
		conn, err := h.dial(ctx, to, len(addresses)-at)
		if err == nil {
			return conn, nil
		}
		fault = err
		if ctx.Err() != nil {
			break
		}
	}
	if fault == nil {
		h.note(o, refused, time.Now())
		return nil, &refusal{refused}
	}
	return nil, fault
}

// resolve looks a name up in this network. An address is itself.
func (h *Handler) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	found, err := h.cfg.Resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", transport.ErrName, err)
	}
	out := make([]netip.Addr, 0, min(len(found), mostAddresses))
	for _, a := range found {
		// A zone would name an interface of this host, and an IPv4 address has one form.
		if a = a.Unmap().WithZone(""); !slices.Contains(out, a) && len(out) < mostAddresses {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, transport.ErrName
	}
	return out, nil
}

// dial has a share of the time that is left, so that an address that is dead leaves some to
// the next one.
func (h *Handler) dial(ctx context.Context, to netip.AddrPort, share int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(share))
		defer cancel()
	}
	conn, err := h.cfg.Dial(ctx, to)
	if err != nil {
		return nil, whyNot(err)
	}
	return conn, nil
}

// whyNot is what the tunneler gets to know of an error of a socket.
func whyNot(err error) error {
	reason := transport.ErrInternal
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		reason = transport.ErrConnRefused
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		reason = transport.ErrUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		reason = transport.ErrTimeout
	}
	return fmt.Errorf("%w: %w", reason, err)
}

// isOwn says that this program listens there.
func (h *Handler) isOwn(to netip.AddrPort) bool {
	if !slices.Contains(h.cfg.Own, to.Port()) {
		return false
	}
	if to.Addr().IsLoopback() {
		return true
	}
	local, err := net.InterfaceAddrs() // asked each time: addresses come and go
	if err != nil {
		return true // it cannot be excluded
	}
	for _, a := range local {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == to.Addr() {
			return true
		}
	}
	return false
}
