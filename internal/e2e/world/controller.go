package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
)

// Controller is a running grpccontroller.
type Controller struct {
	*Process
	Bin   string // directory of the programs
	Dir   string // data directory
	Run   RunFile
	flags []string
	where []string // prefix of its command
}

// RunFile is the controller's run.json.
type RunFile struct {
	TrustDomain string `json:"trust_domain"`
	Enrollment  string `json:"enrollment"`
	Control     string `json:"control"`
	Admin       string `json:"admin"`
	AdminSocket string `json:"admin_socket"`
	Health      string `json:"health"`
	SPIREServer string `json:"spire_server"`
	CA          string `json:"ca"`
}

// startTimeout is generous: two cores may be busy compiling.
const startTimeout = 90 * time.Second

// NewController prepares a controller with its data in dir. Every listener is on
// loopback with a free port unless flags say otherwise.
func NewController(bin, dir string, flags ...string) *Controller {
	return &Controller{Bin: bin, Dir: dir, flags: append([]string{
		"--data-dir", dir, "--public-address", "127.0.0.1",
		"--listen-enrollment", "127.0.0.1:0", "--listen-control", "127.0.0.1:0", "--listen-admin", "127.0.0.1:0",
		"--listen-health", "127.0.0.1:0", "--spire-server-listen", "127.0.0.1:0",
		"--spire-server-metrics-port", "0", "--spire-agent-metrics-port", "0",
	}, flags...)}
}

// In makes the controller start by a prefix such as "ip netns exec NAME".
func (c *Controller) In(prefix ...string) *Controller {
	c.where = prefix
	return c
}

// With adds flags for the next start. They win over those of before.
func (c *Controller) With(flags ...string) *Controller {
	c.flags = append(c.flags, flags...)
	return c
}

// Start starts the controller and waits until it is ready. A later start uses the
// ports of the first, as a host expects.
func (c *Controller) Start(ctx context.Context) error {
	if err := c.Launch(); err != nil {
		return err
	}
	return c.WaitReady(ctx)
}

// Launch starts the controller and does not wait.
func (c *Controller) Launch() error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(c.Dir, "run.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var err error
	c.Process, err = Start(Spec{
		Name: "grpccontroller", Dir: c.Dir, Prefix: c.where,
		Path: filepath.Join(c.Bin, "grpccontroller"), Args: append([]string{"serve"}, c.flags...),
	})
	return err
}

// WaitReady waits for run.json and /readyz.
func (c *Controller) WaitReady(ctx context.Context) error {
	return c.wait(ctx, "controller ready", c.Ready)
}

// WaitServing waits for run.json: the controller serves, and may not be ready.
func (c *Controller) WaitServing(ctx context.Context) error {
	return c.wait(ctx, "controller serves", func(context.Context) error { return nil })
}

func (c *Controller) wait(ctx context.Context, until string, also func(context.Context) error) error {
	err := Eventually(ctx, startTimeout, until, func(ctx context.Context) error {
		select {
		case <-c.Done():
			return nil // looked at below: waiting on is no use
		default:
		}
		if err := c.readRunFile(); err != nil {
			return err
		}
		return also(ctx)
	})
	select {
	case <-c.Done():
		return fmt.Errorf("the controller ended:\n%s", c.Tail(15))
	default:
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.Tail(15))
	}
	c.keepPorts()
	return nil
}

func (c *Controller) readRunFile() error {
	b, err := os.ReadFile(filepath.Join(c.Dir, "run.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(b, &c.Run)
}

func (c *Controller) keepPorts() {
	for flag, addr := range map[string]string{
		"--listen-enrollment": c.Run.Enrollment, "--listen-control": c.Run.Control, "--listen-admin": c.Run.Admin,
		"--listen-health": c.Run.Health, "--spire-server-listen": c.Run.SPIREServer,
	} {
		for i := 0; i+1 < len(c.flags); i += 2 {
			if c.flags[i] == flag && strings.HasSuffix(c.flags[i+1], ":0") {
				c.flags[i+1] = addr
			}
		}
	}
}

// Ready asks /readyz.
func (c *Controller) Ready(ctx context.Context) error { return Readyz(ctx, c.Run.Health) }

// Readyz asks the health listener at addr.
func Readyz(ctx context.Context, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return fmt.Errorf("not ready: %s", body)
	}
	return nil
}

// SetupLink is where the first owner signs up; empty once there is one.
func (c *Controller) SetupLink() string {
	b, _ := os.ReadFile(filepath.Join(c.Dir, "setup-link"))
	return strings.TrimSpace(string(b))
}

// Client calls the admin API by the local admin socket, as the command line does.
func (c *Controller) Client() *adminclient.Client {
	return adminclient.To(adminclient.Target{Socket: c.Run.AdminSocket})
}

// CLI runs a grpccontroller command against this controller.
func (c *Controller) CLI(ctx context.Context, args ...string) (Result, error) {
	return Run(ctx, Spec{
		Name: "grpccontroller", Dir: c.Dir, Prefix: c.where,
		Path: filepath.Join(c.Bin, "grpccontroller"), Args: append(args, "--data-dir", c.Dir),
	}, "")
}

// Token asks for an enrollment token by the command line.
func (c *Controller) Token(ctx context.Context, kind, id string, more ...string) (adminapi.CreatedToken, error) {
	var t adminapi.CreatedToken
	r, err := c.CLI(ctx, append([]string{"token", "create", "--kind", kind, "--id", id, "-o", "json"}, more...)...)
	if err != nil {
		return t, err
	}
	if r.Code != 0 {
		return t, fmt.Errorf("token create: exit %d: %s", r.Code, r.Stderr)
	}
	err = json.Unmarshal([]byte(r.Stdout), &t)
	return t, err
}
