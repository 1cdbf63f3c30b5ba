package relay

import (
	"net"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// routedIP is the local address that the kernel would use towards the controller.
// No packet is sent for it. Empty when there is no route.
func routedIP(controller string) string {
	conn, err := net.Dial("udp", controller) //nolint:noctx // UDP sends nothing; the name was resolved for the stream a moment ago
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return ""
	}
	return host
}

// listenAddresses are where tunnelers may reach the listener, the operator's
// choice first.
func listenAddresses(configured, private string, listener net.Addr) []string {
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return nil
	}
	var out []string
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = private
	}
	for _, h := range []string{configured, host} {
		if addr := net.JoinHostPort(h, port); h != "" && !slices.Contains(out, addr) {
			out = append(out, addr)
		}
	}
	return out
}

func svidStatus(st mtls.SVIDStatus) *zerotrustv1.SVIDStatus {
	return &zerotrustv1.SVIDStatus{Serial: st.Serial, AuthorityId: st.AuthorityID, NotAfter: timestamppb.New(st.NotAfter)}
}
