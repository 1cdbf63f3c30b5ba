package archtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/archtest"
)

func TestTheProjectKeepsItsRules(t *testing.T) {
	t.Parallel()
	tree, err := archtest.Load(os.DirFS("../.."))
	require.NoError(t, err)
	require.NotEmpty(t, tree.Files)
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			for _, v := range rule.Check(tree) {
				t.Error(v)
			}
		})
	}
}

// TestEachRuleCanFail checks each rule on an archive of bad and good files. Its
// heading lists the violations, one a line, after lines that begin with "#".
func TestEachRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, rule := range archtest.Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(filepath.Join("testdata", rule.Name+".txtar"))
			require.NoError(t, err)
			archive.Files = append(archive.Files, txtar.File{Name: ".gitignore", Data: []byte("/bin/\n")})
			fsys, err := txtar.FS(archive)
			require.NoError(t, err)
			tree, err := archtest.Load(fsys)
			require.NoError(t, err)

			var want, got []string
			for line := range strings.Lines(string(archive.Comment)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					want = append(want, line)
				}
			}
			for _, v := range rule.Check(tree) {
				got = append(got, v.String())
			}
			require.NotEmpty(t, want)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestLoadRefusesBrokenSource(t *testing.T) {
	t.Parallel()
	fsys, err := txtar.FS(txtar.Parse([]byte("-- .gitignore --\n-- internal/a.go --\npackage\n")))
	require.NoError(t, err)
	_, err = archtest.Load(fsys)
	require.ErrorContains(t, err, "internal/a.go")
}
