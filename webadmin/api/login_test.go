package api_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// TestACommandLineSignsInWorksAndSignsOut: the commands against the API itself, with a
// person at a browser.
func TestACommandLineSignsInWorksAndSignsOut(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	e := apitest.Start(t)
	e.Auth.Use(e.Identity.Keys)
	b := as(t, e, auth.Operator)

	root := &cobra.Command{Use: "grpccontroller"}
	root.AddCommand(admincmd.Commands()...)
	shown, stderr := io.Pipe()
	var out bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- cli.Execute(root, cli.Process{Args: []string{"login", e.URL}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: stderr})
		_ = stderr.Close()
	}()
	lines := bufio.NewScanner(shown)
	user := regexp.MustCompile(`^  ([A-Z]{4}-[A-Z]{4})$`)
	for lines.Scan() {
		if m := user.FindStringSubmatch(lines.Text()); m != nil {
			w := b.do(http.MethodPost, "/device/approve", `{"user_code":"`+m[1]+`"}`)
			require.Equal(t, http.StatusNoContent, w.Code, w.Body.String())
		}
	}
	require.Zero(t, <-code)
	require.Contains(t, out.String(), "(operator) until ")

	require.Equal(t, 0, runCLI("connectors", "list").code)
	r := runCLI("whoami", "-o", "json")
	require.Equal(t, 0, r.code, r.errOut)
	require.Contains(t, r.out, `"role": "operator"`)
	r = runCLI("ca", "rotate", "--yes", "--detach")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "ca:rotate", "a login may no more than its person")
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/me/sessions", "").Code)
	r = runCLI("connectors", "list")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.errOut, "the login at "+e.URL+" has ended: run `grpccontroller login "+e.URL+"` again")
	require.Equal(t, 0, runCLI("logout").code)
}
