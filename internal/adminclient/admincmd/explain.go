package admincmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// explain turns an error of a call into one line that says what to do.
func (c *connection) explain(cmd *cobra.Command, err error) error {
	if refused, ok := errors.AsType[*adminclient.Error](err); ok {
		return c.explainRefusal(cmd, refused)
	}
	var dns *net.DNSError
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is grpccontroller serve running? (--api-url or --data-dir say where)", c.url)
	case errors.As(err, &dns):
		return fmt.Errorf("the host of %s is not known: check --api-url", c.url)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the admin API at %s did not answer in time: look at the controller's log", c.url)
	}
	return err
}

func (c *connection) explainRefusal(cmd *cobra.Command, e *adminclient.Error) error {
	told := *e // status and request id stay
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusTooManyRequests:
		told.Detail = fmt.Sprintf("the admin API at %s does not accept the key in %s: it has expired or is of another controller; "+
			"name the right file with --api-key-file", c.url, c.keyFile)
	case e.Type == adminapi.TypeLiveMember:
		told.Detail = "this id is enrolled and live: add --replace, and redeeming the new token revokes it"
	case e.Type == adminapi.TypeInvalidRequest:
		if flag := strings.ReplaceAll(e.Field, "_", "-"); cmd.Flags().Lookup(flag) != nil {
			told.Field = "--" + flag
		}
		return cli.UsageError(&told)
	}
	return &told
}
