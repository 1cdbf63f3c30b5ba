package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

const (
	resourceID = "hello"
	grantID    = "demo-hello"
	// behind is an address of its own for the web server: each of 127.0.0.0/8 is this
	// machine's, and a connector reaches a loopback address only if a resource names that very one.
	behind = "127.83.0.1"
	// soon is how long a change of grants may take to act in the check.
	soon = 10 * time.Second
)

// website is the web server that stands for one of the connector's network.
type website struct {
	server *http.Server
	addr   string
	ended  chan error
}

func startWebsite(connector string) (*website, error) {
	l, err := listen(behind, "8080")
	if err != nil {
		return nil, err
	}
	w := &website{addr: l.Addr().String(), ended: make(chan error, 1)}
	w.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(rw, "Hello from the web server behind %s.\n", connector)
		}),
	}
	go func() { w.ended <- w.server.Serve(l) }()
	return w, nil
}

func (w *website) stop() error {
	err := w.server.Close()
	if ended := <-w.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// listen takes the usual port, which is nicer to paste, or any if that one is taken.
func listen(host, port string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port)) //nolint:noctx // it does not wait
	if err != nil {
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0")) //nolint:noctx // it does not wait
	}
	return l, err
}

// freeAddress is one where a program that starts next can listen.
func freeAddress(port string) (string, error) {
	l, err := listen("127.0.0.1", port)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// grantWebsite makes the web server a resource and lets the tunneler reach it.
func (d *demo) grantWebsite(ctx context.Context, api *adminclient.Client) error {
	host, port, err := net.SplitHostPort(d.website.addr)
	if err != nil {
		return err
	}
	if _, err := api.CreateResource(ctx, adminapi.ResourceRequest{
		ID: resourceID, Name: "Web server of the demo", Hosts: []string{host}, Ports: []string{port},
	}); err != nil {
		return err
	}
	_, err = api.CreateGrant(ctx, adminapi.GrantRequest{
		ID: grantID, Subject: "tunneler/" + d.tunneler.ID, Object: "resource/" + resourceID,
	})
	return err
}

// curlArgs is the command that goes through the system: SOCKS5 to the tunneler, a flow to the
// connector, and from there to the web server. An environment may say that proxies are not
// for such addresses.
func (d *demo) curlArgs() []string {
	return []string{"curl", "--noproxy", "''", "--proxy", "socks5h://" + d.socks, "http://" + d.website.addr + "/"}
}

// curl runs that command.
func (d *demo) curl(ctx context.Context) (out string, code int, err error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.Join(d.curlArgs(), " ")+" --silent --show-error --max-time 10")
	b, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(b), exit.ExitCode(), nil
	}
	return string(b), 0, err
}

// proxyRefused is curl's exit code if the SOCKS server refuses to connect.
const proxyRefused = 97

func (d *demo) checkReach(ctx context.Context) error {
	api := d.controller.Client()
	answered := func(ctx context.Context) error {
		out, code, err := d.curl(ctx)
		if err == nil && (code != 0 || !strings.Contains(out, d.connector.ID)) {
			err = fmt.Errorf("curl: exit %d: %s", code, out)
		}
		return err
	}
	refused := func(ctx context.Context) error {
		out, code, err := d.curl(ctx)
		if err == nil && code != proxyRefused {
			err = fmt.Errorf("curl: exit %d: %s", code, out)
		}
		return err
	}
	if err := world.Eventually(ctx, soon, "curl is answered", answered); err != nil {
		return err
	}
	if err := api.DeleteGrant(ctx, grantID); err != nil {
		return err
	}
	return world.Eventually(ctx, soon, "curl is refused once the grant is withdrawn", refused)
}

// inForce says whether the grant is there.
func (d *demo) inForce(ctx context.Context, api *adminclient.Client) (bool, error) {
	grants, err := api.Grants(ctx)
	if err != nil {
		return false, err
	}
	for _, g := range grants {
		if g.ID == grantID {
			return true, nil
		}
	}
	return false, nil
}
