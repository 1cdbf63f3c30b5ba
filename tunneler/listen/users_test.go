package listen

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// pair is a connection, as its listener has it, and its other end.
func pair(t testing.TB, at string) (accepted, dialed net.Conn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	dialed, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = dialed.Close() })
	accepted, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = accepted.Close() })
	return accepted, dialed
}

// between is a connection between two addresses that need not have one.
type between struct {
	*net.TCPConn

	from, to net.Addr
}

func (b between) RemoteAddr() net.Addr { return b.from }
func (b between) LocalAddr() net.Addr  { return b.to }

func TestTheKernelSaysWhoseConnectionItIs(t *testing.T) {
	t.Parallel()
	var k kernel
	t.Cleanup(func() { require.NoError(t, k.close()) })
	for _, at := range []string{"127.0.0.1:0", "127.7.7.7:0", "[::1]:0"} {
		accepted, dialed := pair(t, at)
		uid, err := k.userOf(accepted)
		require.NoError(t, err)
		require.EqualValues(t, os.Getuid(), uid)
		// The socket that listens there belongs to a user too, who is not the one that connects.
		nobody := *dialed.LocalAddr().(*net.TCPAddr)
		for nobody.Port = 1; nobody.Port < 20; nobody.Port++ {
			uid, err = k.userOf(between{accepted.(*net.TCPConn), &nobody, accepted.LocalAddr()})
			require.ErrorIs(t, err, errNoUser)
			uid2, err := k.userOf(between{accepted.(*net.TCPConn), accepted.LocalAddr(), &nobody}) // from the address that is listened at
			require.ErrorIs(t, err, errNoUser)
			require.EqualValues(t, overflow, uid, uid2)
		}
		require.NoError(t, dialed.Close())
		uid, err = k.userOf(accepted)
		require.ErrorIs(t, err, errNoUser, "whoever has closed it may have ended")
		require.False(t, Users{0, uint32(os.Getuid()), uid}.Have(uid), "nobody in particular")
	}
}

func TestAnAnswerAboutAnotherConnectionIsNotTaken(t *testing.T) {
	t.Parallel()
	q, err := newSocketQuery(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2), Port: 1080})
	require.NoError(t, err)
	answer := make([]byte, diagAnswer)
	answer[0], answer[diagUID], answer[diagInode] = q[0], 42, 1
	copy(answer[diagAnswerID:], q[diagRequestID:diagRequestID+diagPeers])
	uid, err := q.user(answer)
	require.NoError(t, err)
	require.EqualValues(t, 42, uid)
	for at := range diagAnswerID + diagPeers {
		if at > 0 && at < diagAnswerID {
			continue // its state and timer
		}
		other := append([]byte(nil), answer...)
		other[at] ^= 1
		_, err := q.user(other)
		require.ErrorIs(t, err, errNoUser, at)
	}
	_, err = q.user(answer[:diagAnswer-1])
	require.ErrorIs(t, err, errNoUser)
	answer[diagState] = unix.BPF_TCP_SYN_SENT
	_, err = q.user(answer)
	require.ErrorIs(t, err, errNoUser, "it is about to connect")
	answer[diagState], answer[diagInode] = 1, 0
	_, err = q.user(answer)
	require.ErrorIs(t, err, errNoUser)
	_, err = newSocketQuery(&net.UnixAddr{}, &net.TCPAddr{})
	require.ErrorIs(t, err, errNoUser)
}

// TestAClientOfBothFamiliesIsKnown: a program may connect to 127.0.0.1 by a socket of IPv6.
func TestAClientOfBothFamiliesIsKnown(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	to := unix.SockaddrInet6{Port: l.Addr().(*net.TCPAddr).Port}
	copy(to.Addr[:], net.IPv4(127, 0, 0, 1).To16())
	require.NoError(t, unix.Connect(fd, &to))
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	var k kernel
	uid, err := k.userOf(c)
	require.NoError(t, err)
	require.EqualValues(t, os.Getuid(), uid)
	require.NoError(t, k.close())
}

// TestAFaultDoesNotMixUpAnswers: an answer that is left over is of another connection.
func TestAFaultDoesNotMixUpAnswers(t *testing.T) {
	t.Parallel()
	var k kernel
	accepted, _ := pair(t, "127.0.0.1:0")
	_, err := k.userOf(accepted)
	require.NoError(t, err)
	q, err := newSocketQuery(accepted.RemoteAddr(), accepted.LocalAddr())
	require.NoError(t, err)
	fd := int(k.socket.Fd())
	message := append(binary.NativeEndian.AppendUint32(nil, unix.SizeofNlMsghdr+diagRequest), make([]byte, unix.SizeofNlMsghdr-4+diagRequest)...)
	binary.NativeEndian.PutUint16(message[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST)
	copy(message[unix.SizeofNlMsghdr:], q[:])
	require.NoError(t, unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	_, err = k.userOf(accepted)
	require.ErrorIs(t, err, errNotAnswered, "an answer to another question was waiting")
	uid, err := k.userOf(accepted)
	require.NoError(t, err, "the next one has a socket of its own")
	require.EqualValues(t, os.Getuid(), uid)
	require.NoError(t, k.close())
	require.NoError(t, k.close())
}

// TestAUserWhoMayNotConnectDoesNotFillTheLog: each line is one of many, and says of how many.
func TestAUserWhoMayNotConnectDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	s, err := New(Config{
		Faces: []Face{{Protocol: SOCKS5, Network: "tcp", Address: "127.0.0.1:0"}}, Users: Users{4242}, Log: zap.New(core),
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	for range 200 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addresses()[0].String())
		if err != nil {
			continue // it was reset before it was there
		}
		_, err = c.Read(make([]byte, 1))
		require.Error(t, err)
		require.NoError(t, c.Close())
	}
	stop()
	require.NoError(t, <-served)
	s.Drain(time.Second)
	lines := logs.FilterMessage("connection refused").Len()
	require.Positive(t, lines)
	require.Less(t, lines, 20)
}

// BenchmarkUserOf is a part of each new flow of a local listener.
func BenchmarkUserOf(b *testing.B) {
	accepted, _ := pair(b, "127.0.0.1:0")
	var k kernel
	defer func() { _ = k.close() }()
	for b.Loop() {
		if _, err := k.userOf(accepted); err != nil {
			b.Fatal(err)
		}
	}
}

// TestWhatAClientHasSaidIsNotWaitedFor, and its end is left for whoever reads next.
func TestWhatAClientHasSaidIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	accepted, dialed := pair(t, "127.0.0.1:0")
	first, err := said(accepted)
	require.NoError(t, err)
	require.Empty(t, first)
	_, err = dialed.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, dialed.(*net.TCPConn).CloseWrite())
	require.Eventually(t, func() bool {
		first, err = said(accepted)
		return err != nil || len(first) > 0
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, "hello", string(first))
	first, err = said(accepted)
	require.NoError(t, err)
	require.Empty(t, first)
	rest, err := io.ReadAll(accepted)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.NoError(t, accepted.Close())
	_, err = said(accepted)
	require.ErrorIs(t, err, net.ErrClosed)
}

// opener notes what first bytes its flows would have carried.
type opener struct{ first chan string }

func (o opener) Open(_ context.Context, _ flow.Target, first []byte) (Flow, error) {
	o.first <- string(first)
	return nil, flow.ErrRefused
}

// TestAPortThatAnotherUserHasByNowIsNotTheirs: whoever resets a connection frees its port. The one
// who gets it next, maybe an allowed user, is not who has sent what is waiting on the first one.
func TestAPortThatAnotherUserHasByNowIsNotTheirs(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		o, over := opener{make(chan string, 2)}, make(chan Outcome, 2)
		s, err := New(Config{
			Faces: []Face{{Protocol: Forward, Network: "tcp", Address: at, Target: flow.Target{Host: "db", Port: 6379}}},
			Users: Users{uint32(os.Getuid())}, Opener: o, Ended: func(out Outcome) { over <- out }, Log: zap.NewNop(),
		})
		require.NoError(t, err)
		s.kernel.mu.Lock() // many connections are asked about
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx) }()
		stranger, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addresses()[0].String())
		require.NoError(t, err)
		_, err = stranger.Write([]byte("FLUSHALL\r\n"))
		require.NoError(t, err)
		require.NoError(t, stranger.(*net.TCPConn).SetLinger(0))
		require.NoError(t, stranger.Close())
		next, err := (&net.Dialer{LocalAddr: stranger.LocalAddr()}).DialContext(t.Context(), "tcp", s.Addresses()[0].String())
		require.NoError(t, err)
		s.kernel.mu.Unlock()
		outs := []Outcome{<-over, <-over}
		if !errors.Is(outs[0].Failure, errNoUser) {
			outs[0], outs[1] = outs[1], outs[0]
		}
		require.ErrorIs(t, outs[0].Failure, errNoUser, "the connection that was reset is nobody's")
		require.EqualValues(t, overflow, outs[0].User)
		require.ErrorIs(t, outs[1].Failure, flow.ErrRefused)
		require.Empty(t, <-o.first, "the connection that is there has said nothing")
		require.Empty(t, o.first)
		require.NoError(t, next.Close())
		stop()
		require.NoError(t, <-served)
		s.Drain(time.Second)
	}
}
