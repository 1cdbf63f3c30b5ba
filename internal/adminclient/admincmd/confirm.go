package admincmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// RegisterYes adds --yes, for Confirm.
func RegisterYes(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask")
}

// Confirm asks on a terminal. Without one there is nobody to ask, and a script
// must have said --yes.
func Confirm(ctx context.Context, cmd *cobra.Command, yes bool, question, consequences string) error {
	if yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return cli.UsageError(errors.New("standard input is not a terminal: add --yes to confirm"))
	}
	return ask(ctx, in, cmd.ErrOrStderr(), question+"\n"+consequences)
}

var errDeclined = errors.New("nothing was changed")

// ask asks for a yes.
func ask(ctx context.Context, in io.Reader, out io.Writer, text string) error {
	if _, err := fmt.Fprintf(out, "%s\nType yes to continue: ", text); err != nil {
		return err
	}
	answer, err := readLine(ctx, in)
	if err == nil && answer != "yes" {
		err = errDeclined
	}
	return err
}

// readLine reads one line, which is empty after an error. An interrupt ends it although
// the read continues, which is joined by the end of the process: a terminal cannot be made
// to stop reading.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	typed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		typed <- strings.TrimSpace(line)
	}()
	select {
	case line := <-typed:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// quote shows an argument that may have come from anywhere.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
