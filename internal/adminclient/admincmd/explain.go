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
	"github.com/spf13/pflag"

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
	_, dialing := errors.AsType[*net.OpError](err) // and not a file of the command line
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case c.local() && dialing && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)):
		return fmt.Errorf("no controller listens at %s: is `grpccontroller serve` running?", c.at())
	case c.local() && dialing && errors.Is(err, fs.ErrPermission):
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

// fieldAnnotation of a flag names the field of the API that it sets, where that is not its own
// name.
const fieldAnnotation = "grpccontroller_field"

// sets says which fields of the API flags of a command set, so that a refusal names the flag.
// A name without dashes that is no flag is that of an argument.
func sets(cmd *cobra.Command, fields map[string]string) {
	for flag, field := range fields {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.Flags().SetAnnotation(flag, fieldAnnotation, []string{field})
			continue
		}
		if cmd.Annotations == nil {
			cmd.Annotations = map[string]string{}
		}
		cmd.Annotations[fieldAnnotation+" "+field] = flag
	}
}

// flagOf is the flag that sets a field, such as hosts[0], or the field if none does.
func flagOf(cmd *cobra.Command, field string) string {
	whole, _, _ := strings.Cut(field, "[")
	if argument, ok := cmd.Annotations[fieldAnnotation+" "+whole]; ok {
		return argument
	}
	found := ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.Contains(f.Annotations[fieldAnnotation], whole) {
			found = "--" + f.Name
		}
	})
	if flag := strings.ReplaceAll(whole, "_", "-"); found == "" && whole != "" && cmd.Flags().Lookup(flag) != nil {
		found = "--" + flag
	}
	return orDefault(found, field)
}

// statusIs looks at the status of a refusal; an error that is none has no status.
func statusIs(err error, is func(status int) bool) bool {
	e, ok := errors.AsType[*adminclient.Error](err)
	return ok && is(e.Status)
}
