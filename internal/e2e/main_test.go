// Package e2e_test holds the tests of the whole system: real programs, real SPIRE
// (bin/, see "make build spire"), each test in a world of its own.
package e2e_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets six worlds run side by side: once they have begun they do little but wait, and
// two cores begin no more of them in the time that a test gives one. Those of
// TestA…Absent… wait for six minutes, and the Makefile runs them beside all else.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
