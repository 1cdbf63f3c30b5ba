package core_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// playEnv has a part as JSON, for TestPlaysAPart.
const playEnv = "CORE_PART"

// patience is how long a player may take to do as it is told, on a busy machine.
const patience = 30 * time.Minute

// part is what another process of this program plays: streams, or the bare gRPC server.
type part struct {
	Controller string // its data directory: its spire-server signs the SVIDs
	Server     bool   // it is the bare gRPC server
}

// TestPlaysAPart is for the other processes: it speaks with player.
func TestPlaysAPart(t *testing.T) {
	arg := os.Getenv(playEnv)
	if arg == "" {
		t.Skip("is run by TestTheCoreCostsTheSameWhateverTheFleet")
	}
	var p part
	require.NoError(t, json.Unmarshal([]byte(arg), &p))
	if p.Server {
		p.broadcast(t, os.Stdin, os.Stdout)
	} else {
		p.stream(t, os.Stdin, os.Stdout)
	}
}

// player is a process that plays a part until its standard input ends.
type player struct {
	*exec.Cmd

	in  io.WriteCloser
	out chan string // what it says, line by line
}

// start ends the player with the test.
func start(t *testing.T, p part) *player {
	t.Helper()
	arg, err := json.Marshal(p)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	pl := &player{Cmd: exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run", "^TestPlaysAPart$", "-test.timeout", "3h"), out: make(chan string, 1024)}
	pl.Env = append(world.Environment(), playEnv+"="+string(arg))
	pl.Stderr = os.Stderr
	pl.in, err = pl.StdinPipe()
	require.NoError(t, err)
	out, err := pl.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, pl.Start())
	go func() {
		defer close(pl.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			pl.out <- lines.Text()
		}
	}()
	t.Cleanup(func() { pl.stop(t) })
	return pl
}

// stop ends the player; again is nothing.
func (p *player) stop(t *testing.T) {
	t.Helper()
	if p.ProcessState != nil {
		return
	}
	_ = p.in.Close()
	// One that is opening streams does not read until they are open.
	stuck := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
	defer stuck.Stop()
	for line := range p.out {
		if strings.Contains(line, "FAIL") {
			t.Error("player: ", line)
		}
	}
	require.NoError(t, p.Wait())
}

// says waits for a line that begins with this word, and returns the rest of it.
func (p *player) says(t *testing.T, word string) string {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, open := <-p.out:
			require.True(t, open, "the player ended before it said %q", word)
			said, rest, _ := strings.Cut(line, " ")
			if said == word {
				return rest
			}
			if strings.Contains(line, "_test.go") || strings.Contains(line, "Error") {
				t.Log("player: ", line)
			}
		case <-limit:
			t.Fatalf("the player did not say %q", word)
		}
	}
}

// forget passes over what the player has said until now.
func (p *player) forget() {
	for {
		select {
		case <-p.out:
		default:
			return
		}
	}
}

// tell gives the player a line.
func (p *player) tell(t *testing.T, format string, args ...any) {
	t.Helper()
	_, err := fmt.Fprintf(p.in, format+"\n", args...)
	require.NoError(t, err)
}

// crew are the players that open streams.
type crew []*player

// open has them open n streams to an address, each its share.
func (c crew) open(t *testing.T, at string, bare bool, n int) {
	t.Helper()
	share := n / len(c)
	for i, p := range c {
		p.tell(t, "open %s %t %d %d", at, bare, i*share, share)
	}
	for _, p := range c {
		p.says(t, "open")
	}
}

func (c crew) close(t *testing.T) {
	t.Helper()
	for _, p := range c {
		p.tell(t, "close")
	}
	for _, p := range c {
		p.says(t, "closed")
	}
}

// acknowledge says whether streams tell at once that they have come to a position.
func (c crew) acknowledge(t *testing.T, on bool) {
	t.Helper()
	for _, p := range c {
		p.tell(t, "acknowledge %t", on)
	}
}

// everywhere makes a change and waits until all streams have come to its position.
func (c crew) everywhere(t *testing.T, change func(*testing.T)) {
	t.Helper()
	for _, p := range c {
		p.forget()
	}
	change(t)
	for _, p := range c {
		p.says(t, "at")
	}
}

// received adds up what all streams were sent, and how many were lost.
func (c crew) received(t *testing.T) (bytes, largest, lost int) {
	t.Helper()
	for _, p := range c {
		p.tell(t, "received")
		var b, l, n int
		_, err := fmt.Sscan(p.says(t, "received"), &b, &l, &n)
		require.NoError(t, err)
		bytes, largest, lost = bytes+b, max(largest, l), lost+n
	}
	return bytes, largest, lost
}
