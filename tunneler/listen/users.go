package listen

import (
	"errors"
	"fmt"
	"net"
	"os/user"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"

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

var errNoUser = errors.New("the kernel does not say whose connection this is")

// userOf asks the kernel whose process opened a connection.
func userOf(c net.Conn) (uint32, error) {
	if local, ok := c.(*localsocket.Conn); ok {
		return local.Peer.UID, nil
	}
	// The other end's socket is on this host too: from its side, its local address is our
	// remote one.
	sock, err := netlink.SocketGet(c.RemoteAddr(), c.LocalAddr())
	if err != nil {
		return overflow, fmt.Errorf("%w: %w", errNoUser, err)
	}
	if sock == nil || sock.INode == 0 { // it has closed, and its user is gone with it
		return overflow, errNoUser
	}
	return sock.UID, nil
}
