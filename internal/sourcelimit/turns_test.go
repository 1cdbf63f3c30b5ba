package sourcelimit_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

var roomy = sourcelimit.Caps{Most: 2000, Anonymous: 2000, AnonymousFrom: 2000}

// busy has as many handshakes compute as may.
func busy(t *testing.T, d *door, from string) []*sourcelimit.Conn {
	t.Helper()
	var all []*sourcelimit.Conn
	for range runtime.GOMAXPROCS(0) {
		c := d.let(t, from)
		c.BeginHandshake()
		all = append(all, c)
	}
	return all
}

func TestAddressesTakeTurnsInTheirHandshakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(roomy)
		first := busy(t, d, "192.0.2.1:1")
		var order []string
		for i, from := range []string{"192.0.2.1:1", "192.0.2.1:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.3:1"} {
			c, name := d.let(t, from), fmt.Sprintf("%s of %s", []string{"1st", "2nd", "3rd", "1st", "1st", "2nd"}[i], from[:9])
			go func() {
				c.BeginHandshake()
				order = append(order, name)
				c.EndHandshake()
				c.EndHandshake() // once is enough, twice gives nobody a second turn
			}()
			synctest.Wait()
		}
		require.Empty(t, order, "all are waiting")
		first[0].EndHandshake()
		synctest.Wait()
		require.Equal(t, []string{
			"1st of 192.0.2.1", "1st of 192.0.2.2", "1st of 192.0.2.3",
			"2nd of 192.0.2.1", "2nd of 192.0.2.3", "3rd of 192.0.2.1",
		}, order)
	})
}

func TestAHandshakeThatWaitsForItsPeerHoldsUpNobody(t *testing.T) {
	t.Parallel()
	for name, stall := range map[string]func(net.Conn) (int, error){
		"says nothing":  func(c net.Conn) (int, error) { return c.Read(make([]byte, 1)) },
		"reads nothing": func(c net.Conn) (int, error) { return c.Write([]byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(roomy)
				stalled := busy(t, d, "192.0.2.1:1")
				failed := make(chan error, len(stalled))
				for _, c := range stalled {
					require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
					go func() {
						_, err := stall(c)
						c.EndHandshake()
						failed <- err
					}()
				}
				synctest.Wait()
				began := time.Now()
				honest := busy(t, d, "192.0.2.2:1") // gets all the turns
				require.Less(t, time.Since(began), time.Second)
				for _, c := range honest {
					c.EndHandshake()
				}
				for range stalled {
					require.Error(t, <-failed)
				}
				busy(t, d, "192.0.2.3:1") // and none was lost
			})
		})
	}
}

func TestAnAddressThatConnectsTooOftenIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(roomy)
		enter := func(from string) bool {
			before := d.Closed(sourcelimit.ReasonAddress)
			near, far := net.Pipe()
			t.Cleanup(func() { _, _ = near.Close(), far.Close() })
			d.knocks <- dialed{near, from}
			synctest.Wait()
			return d.Closed(sourcelimit.ReasonAddress) == before
		}
		go func() {
			for {
				if _, err := d.Accept(); err != nil {
					return
				}
			}
		}()
		for i := range 500 {
			require.True(t, enter("192.0.2.1:1"), "number %d", i)
		}
		require.False(t, enter("192.0.2.1:1"))
		require.True(t, enter("192.0.2.2:1"), "another address")
		<-time.After(10 * time.Millisecond)
		require.True(t, enter("192.0.2.1:1"))
		require.True(t, enter("192.0.2.1:1"))
		require.False(t, enter("192.0.2.1:1"), "200 a second")
		close(d.knocks)
	})
}
