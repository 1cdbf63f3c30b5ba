package admincmd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
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
	case c.local() && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)):
		return fmt.Errorf("no controller listens at %s: is `grpccontroller serve` running?", c.at())
	case c.local() && errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("only root and the controller's own user may use %s: use sudo, or --api-url and --api-key-file", c.at())
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is `grpccontroller serve` running? (set --api-url or --data-dir if it is elsewhere)", c.at())
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return fmt.Errorf("%s answers without TLS: if that is the admin API on this host, the address begins with http://", c.at())
	case strings.Contains(err.Error(), "malformed HTTP response"), errors.Is(err, io.EOF):
		return fmt.Errorf("what listens at %s is not the admin API, or expects https://: check --api-url", c.at())
	case errors.As(err, &dns):
		return fmt.Errorf("the host name of %s does not resolve: check --api-url", c.at())
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("this host does not know the CA that signed the certificate of %s: name it with --api-ca FILE", c.at())
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the admin API at %s did not answer in time: look at the controller's log", c.at())
	}
	return err
}

func (c *connection) explainRefusal(cmd *cobra.Command, e *adminclient.Error) error {
	out := *e // status and request id stay
	switch {
	case c.login && e.Status == http.StatusUnauthorized:
		out.Detail = fmt.Sprintf("the login at %s has ended: run `grpccontroller login %[1]s` again", c.at())
	case !c.local() && (e.Status == http.StatusUnauthorized || e.Status == http.StatusTooManyRequests):
		out.Detail = fmt.Sprintf("the admin API at %s does not accept the key in %s: it has expired or belongs to another controller; "+
			"name the right file with --api-key-file", c.at(), c.keyFile)
	case e.Type == adminapi.TypeLiveMember:
		out.Detail = "a host with this id is enrolled: add --replace, then redeeming the new token revokes that host"
	case e.Type == adminapi.TypeInvalidRequest:
		out.RequestID = "" // there is nothing to look for in the log
		out.Field, out.Errors = flagOf(cmd, e.Field), slices.Clone(e.Errors)
		for i := range out.Errors {
			out.Errors[i].Name = flagOf(cmd, out.Errors[i].Name)
		}
		return cli.UsageError(&out)
	}
	return &out
}

// flagOf is the flag that sets a field, or the field if none does.
func flagOf(cmd *cobra.Command, field string) string {
	if flag := strings.ReplaceAll(field, "_", "-"); field != "" && cmd.Flags().Lookup(flag) != nil {
		return "--" + flag
	}
	return field
}

// statusIs looks at the status of a refusal; an error that is none has no status.
func statusIs(err error, is func(status int) bool) bool {
	e, ok := errors.AsType[*adminclient.Error](err)
	return ok && is(e.Status)
}
