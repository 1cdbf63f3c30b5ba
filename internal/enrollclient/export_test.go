package enrollclient

import (
	"context"
	"net"

	"google.golang.org/grpc"
)

// DialWith has a client make its connections by dial.
func (c *Client) DialWith(dial func(ctx context.Context, address string) (net.Conn, error)) {
	c.dials = append(c.dials, grpc.WithContextDialer(dial))
}

// Retelling is what tells about retries.
func Retelling(what string, progress func(string)) func(error) {
	return (&explaining{progress: progress, what: what}).because
}
