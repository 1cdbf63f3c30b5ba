// Package e2e_test holds the tests of the whole system: real programs, real SPIRE
// (bin/, see "make build spire"), each test in a world of its own.
package e2e_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets sixteen worlds run side by side: seven of them do little but wait for
// six minutes, which is to happen at the same time as all else. They are in the first
// files by name, for the tests of the first files start first.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
