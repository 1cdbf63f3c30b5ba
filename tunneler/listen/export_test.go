package listen

import (
	"context"
	"net"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// Carry opens the flow that a connection has asked for by CONNECT or SOCKS5, and says what became
// of it.
func (s *Server) Carry(to flow.Target, local net.Conn, answer func(error) error) (out Outcome) {
	s.carry(context.Background(), &asked{target: to, local: local, answer: answer}, &out)
	return out
}
