package listen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/things-go/go-socks5/statute"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

var errSOCKS = errors.New("not understood as SOCKS5")

// askSOCKS reads a request of SOCKS5 (RFC 1928). The connection says who its user is, so
// there is no other authentication. Nothing is read beyond the request.
func askSOCKS(c net.Conn) (asked, error) {
	// The library reads the methods before anybody looks at the version.
	version := make([]byte, 1)
	if _, err := io.ReadFull(c, version); err != nil {
		return asked{}, fmt.Errorf("%w: %w", errSOCKS, err)
	}
	if version[0] != statute.VersionSocks5 {
		return asked{}, fmt.Errorf("%w: version %d", errSOCKS, version[0])
	}
	hello, err := statute.ParseMethodRequest(io.MultiReader(bytes.NewReader(version), c))
	if err != nil {
		return asked{}, fmt.Errorf("%w: %w", errSOCKS, err)
	}
	if !slices.Contains(hello.Methods, statute.MethodNoAuth) {
		_, err := c.Write([]byte{statute.VersionSocks5, statute.MethodNoAcceptable})
		return asked{}, errors.Join(fmt.Errorf("%w: every method asked for authentication", errSOCKS), err)
	}
	if _, err := c.Write([]byte{statute.VersionSocks5, statute.MethodNoAuth}); err != nil {
		return asked{}, err
	}
	req, err := statute.ParseRequest(c)
	if errors.Is(err, statute.ErrUnrecognizedAddrType) {
		return asked{}, errors.Join(err, replySOCKS(c, statute.RepAddrTypeNotSupported))
	}
	if err != nil {
		return asked{}, fmt.Errorf("%w: %w", errSOCKS, err)
	}
	if req.Command != statute.CommandConnect {
		return asked{}, errors.Join(fmt.Errorf("%w: command %d", errSOCKS, req.Command), replySOCKS(c, statute.RepCommandNotSupported))
	}
	host := req.DstAddr.FQDN
	if req.DstAddr.AddrType != statute.ATYPDomain {
		host = req.DstAddr.IP.String()
	}
	to, err := flow.NewTarget(host, uint16(req.DstAddr.Port)) //nolint:gosec // two bytes of the request
	if err != nil {
		return asked{}, errors.Join(err, replySOCKS(c, statute.RepRuleFailure))
	}
	return asked{target: to, local: c, answer: func(err error) error { return replySOCKS(c, socksCode(err)) }}, nil
}

// replySOCKS answers a request. A reply names an address, which would be one of the
// connector's network here: it is left empty.
func replySOCKS(w io.Writer, code byte) error {
	_, err := w.Write(statute.Reply{
		Version: statute.VersionSocks5, Response: code, BndAddr: statute.AddrSpec{AddrType: statute.ATYPIPv4, IP: net.IPv4zero.To4()},
	}.Bytes())
	return err
}
