package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func loginCommand() *cobra.Command {
	c := &connection{}
	var open bool
	cmd := &cobra.Command{
		Use:   "login URL",
		Short: "Sign this command line in to a controller elsewhere, with a browser",
		Long: `Sign in to a controller elsewhere. It prints an address and a code: open the
address in any browser, sign in there, type the code and approve. The token is good
for 8 hours, has the permissions of your role (except managing people and API keys), and ends
with your sessions. It is kept with mode 0600 in
$XDG_CONFIG_HOME/grpccontroller/logins (~/.config without the variable), and commands
without an address use the last login, unless the local admin socket of a controller
is open to their user.`,
		Example: `  grpccontroller login https://controller.example.com
  grpccontroller login https://controller.example.com --ca ./ca.crt`,
		Args: cli.Arguments("URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ownLogins()
			if err != nil {
				return err
			}
			if c.target.URL, err = adminclient.Origin(args[0]); err != nil {
				return cli.UsageError(err)
			}
			pem := ""
			if c.caFlag != "" {
				b, err := readFile(c.caFlag)
				if err != nil {
					return fmt.Errorf("CA of the controller (--ca): %w", err)
				}
				pem = string(b)
			}
			if c.target.Roots, err = parseRoots([]byte(pem), "the file of --ca"); err != nil {
				return err
			}
			f := flow{out: cmd.ErrOrStderr(), now: time.Now, wait: wait}
			if open {
				f.open = openBrowser
			}
			api := adminclient.To(c.target)
			defer api.Close()
			token, err := f.run(cmd.Context(), api)
			if err != nil {
				return c.explainLogin(err)
			}
			it := login{URL: c.target.URL, Token: token.AccessToken, CA: pem, ExpiresAt: time.Now().Add(time.Duration(token.ExpiresIn) * time.Second).UTC().Truncate(time.Second)}
			if err := all.keep(it); err != nil {
				return fmt.Errorf("keep the login: %w", err)
			}
			return c.greet(cmd, it)
		},
	}
	cmd.Flags().StringVar(&c.caFlag, "ca", "", "`file` with the private CA of the controller's certificate; it is remembered (default: the CAs of this host)")
	cmd.Flags().BoolVar(&open, "open", false, "open the address in this desktop's browser")
	return cmd
}

// greet asks the controller who this is now, and says so.
func (c *connection) greet(cmd *cobra.Command, it login) error {
	c.target.Key = it.Token
	api := adminclient.To(c.target)
	defer api.Close()
	who, err := api.WhoAmI(cmd.Context())
	if err != nil {
		return c.explain(cmd, err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Signed in at %s as %s (%s) until %s.\n", it.URL, cli.Printable(who.Name), cli.Printable(who.Role), it.ExpiresAt.Local().Format("2006-01-02 15:04 MST"))
	return err
}

// explainLogin is explain before there is a key.
func (c *connection) explainLogin(err error) error {
	if e, ok := errors.AsType[*adminclient.Error](err); ok && e.Status == http.StatusNotFound {
		return fmt.Errorf("the controller at %s does not support login: it is older than this command", c.target.URL)
	}
	if _, ok := errors.AsType[*adminclient.Error](err); ok {
		return err
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nothing listens at %s: is this the URL of the dashboard, and does the controller run?", c.target.URL)
	}
	out := c.explain(&cobra.Command{}, err)
	return errors.New(strings.ReplaceAll(strings.ReplaceAll(out.Error(), "--api-ca", "--ca"), "check --api-url", "check the URL"))
}

func logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "logout [URL]",
		Short:   "End a login, by default the last one",
		Example: "  grpccontroller logout\n  grpccontroller logout https://controller.example.com",
		Args:    cli.Arguments("[URL]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := ownLogins()
			if err != nil {
				return err
			}
			origin, err := all.last()
			if len(args) > 0 {
				if origin, err = adminclient.Origin(args[0]); err != nil {
					return cli.UsageError(err)
				}
			}
			if err != nil {
				return err
			}
			it, err := all.read(origin)
			if origin == "" || errors.Is(err, errNoLogin) {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "This command line is not signed in at "+orDefault(origin, "any controller"))
				return err
			}
			gone := all.forget(origin)
			if err != nil || gone != nil {
				return errors.Join(err, gone)
			}
			return end(cmd, it)
		},
	}
}

// end revokes the token, which is gone from this host already.
func end(cmd *cobra.Command, it login) error {
	roots, err := parseRoots([]byte(it.CA), "the login")
	if err != nil {
		return err
	}
	api := adminclient.To(adminclient.Target{URL: it.URL, Roots: roots})
	defer api.Close()
	if err := api.RevokeLogin(cmd.Context(), it.Token); err != nil {
		return fmt.Errorf("the login was removed from this host, but %s could not be reached to end it (%w): end it in the dashboard (My account); otherwise it expires on %s",
			it.URL, err, it.ExpiresAt.Local().Format("2006-01-02 15:04 MST"))
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "Signed out at %s.\n", it.URL)
	return err
}

func whoAmICommand() *cobra.Command {
	c := &connection{}
	var out cli.Output
	cmd := &cobra.Command{
		Use:     "whoami",
		Short:   "Show the controller, the identity and the permissions that commands use",
		Example: "  grpccontroller whoami\n  grpccontroller whoami -o json",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			who, err := api.WhoAmI(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), who, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "at            %s\nas            %s\nactor         %s\ntrust domain  %s\nmay           %s\n",
					c.at(), cli.Printable(strings.TrimSpace(who.Name+" "+who.Role)), cli.Printable(who.Actor), cli.Printable(who.TrustDomain), cli.Printable(strings.Join(who.Permissions, " ")))
				return err
			})
		}),
	}
	c.register(cmd.Flags())
	out.Register(cmd.Flags())
	return cmd
}

// flow is one sign-in by the device flow.
type flow struct {
	out  io.Writer
	now  func() time.Time
	wait func(ctx context.Context, d time.Duration) error
	open func(ctx context.Context, address string) error // nil opens nothing
}

// What a controller may make us do.
const (
	leastInterval = time.Second
	mostInterval  = time.Minute
	mostWaiting   = time.Hour
)

// device is what the flow needs of a Client.
type device interface {
	BeginDevice(ctx context.Context, hostName string) (adminapi.DeviceAuthorization, error)
	DeviceToken(ctx context.Context, deviceCode string) (adminapi.AccessToken, error)
}

// run returns once a person has decided, or the code has expired.
func (f flow) run(ctx context.Context, api device) (adminapi.AccessToken, error) {
	d, err := api.BeginDevice(ctx, hostName())
	if err != nil {
		return adminapi.AccessToken{}, err
	}
	if err := checkShown(d); err != nil {
		return adminapi.AccessToken{}, err
	}
	life := min(time.Duration(d.ExpiresIn)*time.Second, mostWaiting)
	if _, err := fmt.Fprintf(f.out, "Open this address in a browser, sign in and type the code:\n\n  %s\n\n  %s\n\nWaiting for %s …\n", d.VerificationURI, d.UserCode, health.Span(life)); err != nil {
		return adminapi.AccessToken{}, err
	}
	if f.open != nil {
		if err := f.open(ctx, d.VerificationURI); err != nil {
			_, _ = fmt.Fprintf(f.out, "No browser was opened: %v\n", err)
		}
	}
	return f.poll(ctx, api, d.DeviceCode, time.Duration(d.Interval)*time.Second, f.now().Add(life))
}

var userCode = regexp.MustCompile(`^[A-Z0-9-]{4,20}$`)

// checkShown refuses what a terminal or a browser could take for something else.
func checkShown(d adminapi.DeviceAuthorization) error {
	u, err := url.Parse(d.VerificationURI)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || !userCode.MatchString(d.UserCode) || d.DeviceCode == "" ||
		strings.ContainsFunc(d.VerificationURI, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the controller's answer names no address and code: is this a grpccontroller?")
	}
	return nil
}

// poll asks at the interval (RFC 8628 section 3.5).
func (f flow) poll(ctx context.Context, api device, code string, interval time.Duration, end time.Time) (adminapi.AccessToken, error) {
	interval = min(max(interval, leastInterval), mostInterval)
	for {
		if err := f.wait(ctx, interval); err != nil {
			return adminapi.AccessToken{}, err
		}
		token, err := api.DeviceToken(ctx, code)
		if err == nil {
			return token, nil
		}
		refused, answered := errors.AsType[*adminclient.Error](err)
		switch {
		case ctx.Err() != nil:
			return token, ctx.Err()
		case !f.now().Before(end), answered && refused.Problem.Error == adminapi.ErrorExpired:
			return token, errors.New("the sign-in was not approved in time, or the controller was restarted: run the command again")
		case answered && refused.Problem.Error == adminapi.ErrorDenied:
			return token, errors.New("the sign-in was denied in the browser")
		case answered && refused.Problem.Error == adminapi.ErrorPending:
		case answered && (refused.Problem.Error == adminapi.ErrorSlowDown || refused.Status == http.StatusTooManyRequests):
			interval = min(interval+5*time.Second, mostInterval)
		case answered && refused.Status < http.StatusInternalServerError:
			return token, err
		default: // not reached, or busy
			interval = min(2*interval, mostInterval)
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var plainHost = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// hostName is how this host is called, for the person who approves; empty if that is
// nothing to show.
func hostName() string {
	name, err := os.Hostname()
	if err != nil || !plainHost.MatchString(name) {
		return ""
	}
	return name
}

// openBrowser opens an address that checkShown has passed.
func openBrowser(ctx context.Context, address string) error {
	return exec.CommandContext(ctx, "xdg-open", address).Run() //nolint:gosec // an http URL without spaces is no option
}
