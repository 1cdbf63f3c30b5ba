package sourcelimit_test

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// dialed is the end of a connection that a peer of this address has opened.
type dialed struct {
	net.Conn

	from string
}

func (d dialed) RemoteAddr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", d.from)
	return a
}

// door is a listener that tests knock at.
type door struct {
	*sourcelimit.Listener

	knocks chan net.Conn
}

func newDoor(caps sourcelimit.Caps) *door {
	d := &door{knocks: make(chan net.Conn, 1)}
	d.Listener = sourcelimit.NewListener(accepting{d.knocks}, caps)
	return d
}

type accepting struct{ knocks chan net.Conn }

func (a accepting) Accept() (net.Conn, error) {
	c, ok := <-a.knocks
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (a accepting) Close() error   { return nil }
func (a accepting) Addr() net.Addr { return &net.TCPAddr{} }

// let opens a connection from an address, a moment later than the one before.
func (d *door) let(t *testing.T, from string) *sourcelimit.Conn {
	t.Helper()
	<-time.After(time.Millisecond) // of a synctest bubble
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	d.knocks <- dialed{near, from}
	c, err := d.Accept()
	require.NoError(t, err)
	return sourcelimit.LimitedOf(c)
}

func isOpen(c *sourcelimit.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	var timeout net.Error
	ok := err != nil && errors.As(err, &timeout) && timeout.Timeout()
	return ok
}

func TestListener(t *testing.T) {
	t.Parallel()
	const a, b, c = "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"
	caps := sourcelimit.Caps{Most: 6, Anonymous: 4, AnonymousFrom: 3, PerIdentity: 2}
	for name, check := range map[string]func(*testing.T, *door){
		"one address does not get more than its share": func(t *testing.T, d *door) {
			first, second := d.let(t, a), d.let(t, a)
			d.let(t, a)
			d.let(t, a)
			require.False(t, isOpen(first), "the quietest made room")
			require.True(t, isOpen(second))
			require.EqualValues(t, 1, d.Closed(sourcelimit.ReasonAddress))
		},
		"a newcomer takes the place of the address with most": func(t *testing.T, d *door) {
			other := d.let(t, b)
			first := d.let(t, a)
			d.let(t, a)
			d.let(t, a)
			require.True(t, isOpen(d.let(t, c)))
			require.False(t, isOpen(first))
			require.True(t, isOpen(other), "though it is older")
			require.EqualValues(t, 1, d.Closed(sourcelimit.ReasonTotal))
		},
		"many addresses take turns, the quietest goes": func(t *testing.T, d *door) {
			first := d.let(t, a)
			d.let(t, b)
			d.let(t, c)
			d.let(t, "192.0.2.4:1")
			d.let(t, "192.0.2.5:1")
			require.False(t, isOpen(first))
			_, anonymous := d.Open()
			require.Equal(t, 4, anonymous)
		},
		"a /64 is one address": func(t *testing.T, d *door) {
			first := d.let(t, "[2001:db8::1]:1")
			for _, from := range []string{"[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8::4]:1"} {
				d.let(t, from)
			}
			require.False(t, isOpen(first))
		},
		"an authenticated connection is not counted for its address, and makes room for nobody": func(t *testing.T, d *door) {
			known := d.let(t, a)
			require.True(t, known.Identify("spiffe://td/connector/one"))
			for range 5 {
				d.let(t, a)
			}
			require.True(t, isOpen(known))
			all, anonymous := d.Open()
			require.Equal(t, 4, all)
			require.Equal(t, 3, anonymous)
		},
		"a herd behind one address comes in": func(t *testing.T, d *door) {
			for _, id := range []string{"one", "two", "three", "four", "five"} {
				require.True(t, d.let(t, a).Identify(id))
			}
			require.Zero(t, d.Closed(sourcelimit.ReasonAddress)+d.Closed(sourcelimit.ReasonTotal))
		},
		"an identity beyond its cap counts as a stranger": func(t *testing.T, d *door) {
			require.True(t, d.let(t, a).Identify("one"))
			again := d.let(t, a)
			require.True(t, again.Identify("one"))
			require.True(t, again.Identify("one"), "it is known already")
			third := d.let(t, a)
			require.False(t, third.Identify("one"))
			require.NoError(t, again.Close())
			require.True(t, third.Identify("one"), "a place is free again")
		},
		"nobody without a name is known": func(t *testing.T, d *door) {
			require.False(t, d.let(t, a).Identify(""))
		},
		"a closed connection is not known, and counts once": func(t *testing.T, d *door) {
			gone := d.let(t, a)
			require.NoError(t, gone.Close())
			_ = gone.Close()
			require.False(t, gone.Identify("one"))
			all, anonymous := d.Open()
			require.Zero(t, all+anonymous)
		},
		"what is used stays": func(t *testing.T, d *door) {
			near, far := net.Pipe()
			defer func() { _ = far.Close() }()
			d.knocks <- dialed{near, a}
			raw, err := d.Accept()
			require.NoError(t, err)
			idle := d.let(t, a)
			d.let(t, a)
			<-time.After(time.Millisecond) // of a synctest bubble
			go func() { _, _ = far.Write([]byte("x")) }()
			_, err = raw.Read(make([]byte, 1))
			require.NoError(t, err)
			d.let(t, a)
			require.False(t, isOpen(idle))
			require.True(t, isOpen(sourcelimit.LimitedOf(raw)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { check(t, newDoor(caps)) })
		})
	}
}

// TestWithoutRoomANewcomerIsClosed: all places are of peers that are known.
func TestWithoutRoomANewcomerIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(sourcelimit.Caps{Most: 2, Anonymous: 2, AnonymousFrom: 2})
		require.True(t, d.let(t, "192.0.2.1:1").Identify("one"))
		second := d.let(t, "192.0.2.1:1")
		require.True(t, second.Identify("two"))

		near, far := net.Pipe()
		d.knocks <- dialed{near, "192.0.2.9:1"}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, err := d.Accept()
			if err == nil {
				accepted <- c
			}
			close(accepted)
		}()
		_, err := far.Read(make([]byte, 1))
		require.Error(t, err, "closed")
		require.EqualValues(t, 1, d.Closed(sourcelimit.ReasonTotal))
		require.True(t, isOpen(second))
		close(d.knocks)
		require.Nil(t, <-accepted)
	})
}

func TestCutClosesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(sourcelimit.Caps{Most: 6, Anonymous: 4, AnonymousFrom: 4})
		stranger, known := d.let(t, "192.0.2.1:1"), d.let(t, "192.0.2.1:1")
		known.Identify("one")
		d.Cut()
		require.False(t, isOpen(stranger))
		require.False(t, isOpen(known))
		all, _ := d.Open()
		require.Zero(t, all)
	})
}

// TestSharesNestInTheLimit: whatever is open on one listener, the others keep theirs.
func TestSharesNestInTheLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []uint64{256, 1024, 4096, 20000, 65536, 1 << 40} {
		all := sourcelimit.SharedOf(limit)
		require.Less(t, uint64(all), limit)
		sum := 0
		for _, percent := range []int{15, 65, 10, 5} {
			caps := sourcelimit.Share(all, percent, all, 2048)
			require.Positive(t, caps.AnonymousFrom)
			require.LessOrEqual(t, caps.AnonymousFrom, caps.Anonymous)
			require.LessOrEqual(t, caps.Anonymous, caps.Most)
			sum += caps.Most
		}
		require.LessOrEqual(t, sum, all)
	}
	require.Equal(t, sourcelimit.Caps{Most: 64, Anonymous: 32, AnonymousFrom: 16}, sourcelimit.Share(20000, 5, 64, 64))
}
