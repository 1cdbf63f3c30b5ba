package listen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
)

// overflow is the uid as which the kernel shows every user that it cannot name in this user
// namespace: many users, so nobody in particular.
const overflow = 65534

// Users are those whose programs may connect.
type Users []uint32

// Have says whether a user is one of them.
func (u Users) Have(uid uint32) bool { return uid != overflow && slices.Contains(u, uid) }

// ParseUser reads the name or number of a user of this host.
func ParseUser(s string) (uint32, error) {
	text := s
	if u, err := user.Lookup(s); err == nil {
		text = u.Uid
	}
	n, err := strconv.ParseUint(text, 10, 32)
	switch {
	case err != nil:
		return 0, fmt.Errorf("no user %q on this host: a user of a directory service is named by uid", s)
	case n == overflow || n == 1<<32-1:
		return 0, fmt.Errorf("uid %d is nobody in particular", n)
	}
	return uint32(n), nil
}

var (
	errNoUser      = errors.New("the kernel does not say whose connection this is")
	errNotAnswered = errors.New("this is no answer to the question")
)

// kernel answers whose connections are. It is asked for each connection, so it keeps its
// socket: to open and close one would cost more than the question.
type kernel struct {
	mu     sync.Mutex
	socket *os.File // nil until the first question, and after a fault
	asked  uint32
}

// close may be called while questions are asked, and before the next one.
func (k *kernel) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket == nil {
		return nil
	}
	defer func() { k.socket = nil }()
	return k.socket.Close()
}

// userOf asks whose process opened a connection.
func (k *kernel) userOf(c net.Conn) (uint32, error) {
	if local, ok := c.(*localsocket.Conn); ok {
		return local.Peer.UID, nil
	}
	// The other end's socket is on this host too: from its side, its local address is our
	// remote one.
	q, err := newSocketQuery(c.RemoteAddr(), c.LocalAddr())
	if err != nil {
		return overflow, err
	}
	answer, err := k.ask(q)
	if err != nil {
		return overflow, fmt.Errorf("%w: %w", errNoUser, err)
	}
	uid, err := q.user(answer)
	// Until now the two addresses were those of this connection, so no other one had them. Whoever
	// resets one frees its port for another user's, and what they have sent is still here to be read.
	if err == nil && !connected(c) {
		return overflow, errNoUser
	}
	return uid, err
}

// connected says that the other end has not reset the connection. It may have ended its direction.
func connected(c net.Conn) (is bool) {
	k, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := k.SyscallConn()
	if err != nil {
		return false
	}
	err = raw.Control(func(fd uintptr) {
		_, gone := syscall.Getpeername(int(fd)) // unix's asks for the protocol too
		is = gone == nil
	})
	return is && err == nil
}

// ask sends the question, and reads what the kernel has answered by then.
func (k *kernel) ask(q *socketQuery) (answer []byte, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket == nil {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_INET_DIAG)
		if err != nil {
			return nil, err
		}
		k.socket = os.NewFile(uintptr(fd), "netlink")
	}
	k.asked++
	const header, length = unix.SizeofNlMsghdr, unix.SizeofNlMsghdr + diagRequest
	var b [512]byte
	message := b[:length]
	binary.NativeEndian.PutUint32(message, length)
	binary.NativeEndian.PutUint16(message[4:], unix.SOCK_DIAG_BY_FAMILY)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(message[8:], k.asked)
	copy(message[header:], q[:])
	fd := int(k.socket.Fd())
	if err = unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		var n int
		if n, _, err = unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT); err == nil {
			answer, err = readAnswer(b[:n], k.asked)
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) { // what is still to be read there would be taken for the next answer
		err = errors.Join(err, k.socket.Close())
		k.socket = nil
	}
	return answer, err
}

// readAnswer takes one message of the kernel, to the question of this number.
func readAnswer(b []byte, asked uint32) ([]byte, error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return nil, err
	}
	if len(messages) != 1 || messages[0].Header.Seq != asked {
		return nil, errNotAnswered
	}
	switch m := messages[0]; {
	case m.Header.Type == unix.SOCK_DIAG_BY_FAMILY:
		return m.Data, nil
	case m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4:
		return nil, syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data))) //nolint:gosec // it is a negative number
	}
	return nil, errNotAnswered
}

// Sizes of the kernel's inet_diag_req_v2, inet_diag_msg and of the id in both, which begins
// with the ports (in network order), and both addresses of 16 bytes.
const (
	diagRequest, diagAnswer, diagPeers = 56, 72, 36
	diagRequestID, diagAnswerID        = 8, 4
	diagState, diagUID, diagInode      = 1, 64, 68
)

// socketQuery asks for the socket of exactly these two addresses. The netlink packages ask by a
// dump, for which the kernel looks at every socket there is.
type socketQuery [diagRequest]byte

func newSocketQuery(from, to net.Addr) (*socketQuery, error) {
	a, oka := from.(*net.TCPAddr)
	b, okb := to.(*net.TCPAddr)
	if !oka || !okb {
		return nil, errNoUser
	}
	src, dst := a.AddrPort(), b.AddrPort()
	var q socketQuery
	q[0], q[1] = unix.AF_INET, unix.IPPROTO_TCP
	if !src.Addr().Unmap().Is4() || !dst.Addr().Unmap().Is4() {
		q[0] = unix.AF_INET6
	}
	binary.NativeEndian.PutUint32(q[4:], ^uint32(0)) // in any state
	id := q[diagRequestID:]
	binary.BigEndian.PutUint16(id, src.Port())
	binary.BigEndian.PutUint16(id[2:], dst.Port())
	copy(id[4:20], src.Addr().Unmap().AsSlice())
	copy(id[20:36], dst.Addr().Unmap().AsSlice())
	for i := 40; i < 48; i++ {
		id[i] = 0xff // whatever its cookie is
	}
	return &q, nil
}

// user reads the answer. Where there is no such connection the kernel may name the socket that
// listens there, which has another peer; one that has closed has no inode, and its user is gone
// with it; one that is about to connect has not sent what is to be read here.
func (q *socketQuery) user(answer []byte) (uint32, error) {
	if len(answer) < diagAnswer || !q.isOf(answer) || answer[diagState] == unix.BPF_TCP_SYN_SENT || binary.NativeEndian.Uint32(answer[diagInode:]) == 0 {
		return overflow, errNoUser
	}
	return binary.NativeEndian.Uint32(answer[diagUID:]), nil
}

// mapped begins an IPv4 address of a socket of both families, as those of Java are.
var mapped = []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}

// isOf says whether the answer is of the two addresses that were asked for.
func (q *socketQuery) isOf(answer []byte) bool {
	asked, got := q[diagRequestID:][:diagPeers], answer[diagAnswerID:][:diagPeers]
	if q[0] != unix.AF_INET || answer[0] != unix.AF_INET6 {
		return answer[0] == q[0] && bytes.Equal(got, asked)
	}
	return bytes.Equal(got[:4], asked[:4]) &&
		bytes.Equal(got[4:20], append(mapped[:12:12], asked[4:8]...)) &&
		bytes.Equal(got[20:36], append(mapped[:12:12], asked[20:24]...))
}
