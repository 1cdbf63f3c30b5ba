package chain_test

import (
	"reflect"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// link is what is on its way between the controller and its connector. TLS has no such
// faults; a controller or a connector that is wrong, or was changed, has.
type link struct {
	mu       sync.Mutex
	held     bool // messages wait until they are delivered
	stream   grpc.ServerStream
	waiting  []*zerotrustv1.ConnectResponse
	sent     []*zerotrustv1.ConnectResponse // the last ones of all streams, delivered or not
	requests int                            // requests for the whole policy to lose
	denied   []*zerotrustv1.Denial          // that reached the connector
}

// remembered is how many messages can be repeated.
const remembered = 64

// interceptor puts the link into each control stream.
func (l *link) interceptor(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.FullMethod != zerotrustv1.ControlPlaneService_Connect_FullMethodName {
		return handler(srv, ss)
	}
	l.mu.Lock()
	l.stream, l.waiting = ss, nil
	l.mu.Unlock()
	defer func() { // whoever delivers holds the lock: no message goes to a stream that has ended
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.stream == ss {
			l.stream, l.waiting = nil, nil
		}
	}()
	return handler(srv, end{ss, l})
}

// end is the controller's end of a stream.
type end struct {
	grpc.ServerStream

	link *link
}

// SendMsg takes a message, encoded or not.
func (e end) SendMsg(m any) error {
	out := &zerotrustv1.ConnectResponse{}
	if v := reflect.ValueOf(m); v.Kind() == reflect.Slice {
		if err := proto.Unmarshal(v.Bytes(), out); err != nil {
			return err
		}
	} else {
		out = proto.CloneOf(m.(*zerotrustv1.ConnectResponse))
	}
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent = append(l.sent, out); len(l.sent) > remembered {
		l.sent = slices.Delete(l.sent, 0, 1)
	}
	if l.stream != e.ServerStream {
		return nil // replaced: what it says is lost
	}
	if l.held {
		l.waiting = append(l.waiting, out)
		return nil
	}
	return l.deliver(out)
}

// RecvMsg loses requests.
func (e end) RecvMsg(m any) error {
	for {
		if err := e.ServerStream.RecvMsg(m); err != nil {
			return err
		}
		if req, ok := m.(*zerotrustv1.ConnectRequest); !ok || req.GetResync() == nil || !e.link.lost() {
			return nil
		}
	}
}

func (l *link) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.requests == 0 {
		return false
	}
	l.requests--
	return true
}

// lose loses the next request for the whole policy.
func (l *link) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = 1
}

// earlier is a message that was sent before, nil if there was none.
func (l *link) earlier(n int) *zerotrustv1.ConnectResponse {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sent) == 0 {
		return nil
	}
	return proto.CloneOf(l.sent[n%len(l.sent)])
}

// deliver needs the lock.
func (l *link) deliver(m *zerotrustv1.ConnectResponse) error {
	if l.stream == nil {
		return nil
	}
	if err := l.stream.SendMsg(m); err != nil {
		return err
	}
	l.denied = append(l.denied, m.GetDenials().GetDenials()...)
	return nil
}

// hold keeps messages back.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// release delivers what waits, in its order, and what comes.
func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held, l.requests = false, 0
	for _, m := range l.waiting {
		_ = l.deliver(m)
	}
	l.waiting = nil
}

// with changes what waits.
func (l *link) with(fn func(waiting []*zerotrustv1.ConnectResponse) []*zerotrustv1.ConnectResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = fn(l.waiting)
}

// say delivers a message that the controller does not say now.
func (l *link) say(m *zerotrustv1.ConnectResponse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.deliver(m)
}
