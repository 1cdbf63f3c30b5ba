package observability_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets the sites run side by side, however few cores there are: they do
// little but wait.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
