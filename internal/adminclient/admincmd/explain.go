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

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// explain turns an error of a call into one line that says what to do.
func (c *connection) explain(err error) error {
	if refused, ok := errors.AsType[*adminclient.Error](err); ok {
		return c.explainRefusal(refused)
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

func (c *connection) explainRefusal(e *adminclient.Error) error {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusTooManyRequests:
		return fmt.Errorf("the admin API at %s does not accept the key in %s: it has expired or is of another controller; name the right file with --api-key-file: %w",
			c.url, c.keyFile, e)
	case e.Type == adminapi.TypeLiveMember:
		return fmt.Errorf("this id is enrolled and live; add --replace to revoke it when the new token is redeemed: %w", e)
	case e.Type == adminapi.TypeInvalidRequest && e.Field != "":
		return cli.UsageError(fmt.Errorf("%s%w", flagOf(e.Field), e))
	}
	return e
}

// flagOf makes the field's name in front of the error the flag's.
func flagOf(field string) string {
	if strings.ContainsRune(field, '_') {
		return "--" + strings.ReplaceAll(field, "_", "-") + ": "
	}
	return "--"
}
