package flood_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/flood"
)

// attackEnv makes this program an attacker instead: an Attack as JSON.
const attackEnv = "FLOOD_ATTACK"

// full is set by make bench-flood. Without it the attack is smaller, the limits are the
// same.
var full = flag.Bool("full", false, "attack as issue 10 says: 20,000 connections, 100,000 resets, 10 s of calls, 100 tunnelers")

func TestMain(m *testing.M) {
	if arg := os.Getenv(attackEnv); arg != "" {
		if err := flood.Main(context.Background(), arg, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "attack:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
