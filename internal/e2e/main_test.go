// Package e2e_test holds the tests of the whole system: real programs, real SPIRE
// (bin/, see "make build spire"), each test in a world of its own.
package e2e_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets twelve worlds run side by side: seven of them do little but wait for
// six minutes, which is to happen at the same time.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
