package controlclient

import (
	"regexp"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

const (
	// connectTimeout bounds TCP and TLS of one attempt.
	connectTimeout = 10 * time.Second
	// defaultMessage bounds what a peer can make us hold.
	defaultMessage = 32 << 10
	// window is what a peer may send before we have read it: the whole policy of a large
	// fleet takes one round trip for each of these. One that grows would be measured by a
	// ping for each message, and up to 16 MiB.
	window = 512 << 10
)

// dial makes a connection that connects on its first RPC and gives that RPC up at
// the first failure: the waits are Client's. passthrough because an address is
// one peer, and names are resolved anew at each attempt by the dialer. No proxy:
// the environment of a host must not decide who sees its control traffic.
func (c *Client) dial(addr string) (*grpc.ClientConn, error) {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(mtls.ClientCredentials(c.cfg.TLS)),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: time.Hour, MaxDelay: time.Hour}, MinConnectTimeout: connectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 12 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithStaticStreamWindowSize(window), grpc.WithStaticConnWindowSize(window),
		grpc.WithReadBufferSize(0), grpc.WithWriteBufferSize(4 << 10), // TLS holds what it has read
		grpc.WithMaxHeaderListSize(8 << 10),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.cfg.MaxMessage)),
	}
	if c.cfg.Dial != nil {
		options = append(options, grpc.WithContextDialer(c.cfg.Dial))
	}
	return grpc.NewClient("passthrough:///"+addr, options...)
}

// numbers are what differs between two ends for the same reason: local ports,
// durations, stream ids.
var numbers = regexp.MustCompile(`[0-9]+`)

// shape is an error's text without its numbers, to distinguish a new reason from an old one.
func shape(err error) string { return numbers.ReplaceAllString(err.Error(), "#") }
