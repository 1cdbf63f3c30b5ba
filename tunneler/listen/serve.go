package listen

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

var (
	errFull = errors.New("too many connections are open")
	errUser = errors.New("the user may not use this tunneler: ALLOW_USERS does not name them")
	// errNoFlow says that a connection was answered without a flow, as asked.
	errNoFlow = errors.New("no flow was asked for")
)

// asked is what a connection wants, and how to answer it.
type asked struct {
	target flow.Target
	// first is what the client has said that is to reach the target.
	first []byte
	// local is the connection, with what was read too far.
	local net.Conn
	// answer says that the target is reached (nil), or why it is not.
	answer func(error) error
}

// serve serves one connection until its end.
func (s *Server) serve(cut context.Context, f Face, c net.Conn) {
	out := Outcome{Protocol: f.Protocol}
	defer func() {
		if !errors.Is(out.Failure, errNoFlow) {
			s.cfg.Ended(out)
		}
	}()
	var err error
	if out.User, err = s.kernel.userOf(c); err == nil && !s.cfg.Users.Have(out.User) {
		err = errUser
	}
	if err != nil {
		out.Failure = err
		if s.strangers.AllowKey(out.User) {
			s.cfg.Log.Info("connection refused", zap.String("protocol", string(f.Protocol)), zap.Uint32("uid", out.User), zap.Int64("not_logged", s.unlogged.Swap(0)), zap.Error(err))
		} else {
			s.unlogged.Add(1)
		}
		reset(c)
		return
	}
	if local, ok := c.(*localsocket.Conn); ok {
		c = local.Conn // which can end one direction
	}
	a, err := s.ask(cut, f, c)
	if err != nil {
		out.Failure = err
		_ = c.Close()
		return
	}
	out.Target = a.target
	s.carry(cut, &a, &out)
	if out.Failure != nil {
		s.cfg.Log.Debug("flow failed", zap.Stringer("target", a.target), zap.Error(out.Failure))
	}
}

// ask learns where the connection wants to go. It has some time to say so.
func (s *Server) ask(cut context.Context, f Face, c net.Conn) (a asked, err error) {
	if f.Protocol != SOCKS5 && f.Protocol != Connect {
		first, err := said(c)
		return asked{target: f.Target, first: first, local: c, answer: func(err error) error {
			if err != nil {
				reset(c) // a program must not take the failure for an empty answer
			}
			return nil
		}}, err
	}
	_ = c.SetDeadline(time.Now().Add(s.cfg.Greeting))
	// A half-open connection must not outlive the program's stop.
	free := context.AfterFunc(cut, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	if f.Protocol == SOCKS5 {
		a, err = askSOCKS(c)
	} else {
		a, err = s.askConnect(f, c)
	}
	if !free() && err == nil {
		err = context.Cause(cut)
	}
	_ = c.SetDeadline(time.Time{})
	return a, err
}

// saidBuffers are of said: of many clients it is little.
var saidBuffers = sync.Pool{New: func() any { return new([flow.MaxFirst]byte) }}

// said is what a client has sent by now. It does not wait, and the end comes again.
func said(c net.Conn) (first []byte, err error) {
	k, ok := c.(syscall.Conn)
	if !ok {
		return nil, nil
	}
	raw, err := k.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := saidBuffers.Get().(*[flow.MaxFirst]byte) //nolint:forcetypeassert // New makes no other
	defer saidBuffers.Put(b)
	if closed := raw.Read(func(fd uintptr) bool {
		var n int
		n, err = unix.Read(int(fd), b[:])
		first = bytes.Clone(b[:max(n, 0)])
		return true
	}); closed != nil {
		return nil, closed
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		err = nil
	}
	return first, err
}

// carry opens the flow and carries it.
func (s *Server) carry(cut context.Context, a *asked, out *Outcome) {
	ctx, cancel := context.WithTimeout(cut, opening)
	first := a.first
	a.first = nil // a flow that is idle for hours does not hold it
	f, err := s.cfg.Opener.Open(ctx, a.target, first)
	cancel()
	if err != nil {
		out.Failure = err
		_ = a.local.SetWriteDeadline(time.Now().Add(s.cfg.Greeting))
		_ = a.answer(err)
		_ = a.local.Close()
		return
	}
	out.Opened = true
	if out.Failure = a.answer(nil); out.Failure != nil {
		f.Abort()
		_ = a.local.Close()
		return
	}
	defer context.AfterFunc(cut, f.Abort)()
	out.Up, out.Down, out.Failure = f.Splice(a.local)
}

// reset closes a connection so that its other end sees a failure, and not an end.
func reset(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
