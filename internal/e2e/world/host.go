package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
)

// Host is one enrolled machine: an agent and a connector or a tunneler.
type Host struct {
	Controller *Controller
	Kind, ID   string
	Dir        string
	Env        []string // besides what makes it run on loopback
	Where      []string // prefix of its commands

	Agent   *Process
	Program *Process
}

// NewHost prepares a host with its files in dir.
func (c *Controller) NewHost(dir, kind, id string) *Host {
	return &Host{Controller: c, Kind: kind, ID: id, Dir: dir}
}

// SecondRole prepares another program on this machine: host key, agent and socket
// are this host's. Only this host starts the agent.
func (h *Host) SecondRole(kind, id string) *Host {
	return &Host{Controller: h.Controller, Kind: kind, ID: id, Dir: h.Dir, Env: h.Env, Where: h.Where}
}

func (h *Host) program() string { return "grpc" + h.Kind }

// ConfFile is the file that enroll writes and run reads.
func (h *Host) ConfFile() string { return filepath.Join(h.Dir, h.Kind+".conf") }

// HostDir is where the host key is.
func (h *Host) HostDir() string { return filepath.Join(h.Dir, "host") }

// Socket is the host's Workload API.
func (h *Host) Socket() string { return filepath.Join(h.Dir, "agent.sock") }

// StateDir is where the program keeps what is not secret.
func (h *Host) StateDir() string { return filepath.Join(h.Dir, h.Kind+"-state") }

// Spec says how to run a command of the program on this host.
func (h *Host) Spec(name string, args ...string) Spec {
	env := []string{
		"HOST_DIR=" + h.HostDir(), "SPIFFE_ENDPOINT_SOCKET=unix://" + h.Socket(), "STATE_DIR=" + h.StateDir(),
		"HEALTH_ADDR=127.0.0.1:0", "AGENT_METRICS_PORT=0",
	}
	if h.Kind == "connector" {
		env = append(env, "LISTEN_ADDR=127.0.0.1:0", "CONNECTOR_PRIVATE_IP=127.0.0.1")
	}
	return Spec{
		Name: name, Dir: h.Dir, Prefix: h.Where, Path: filepath.Join(h.Controller.Bin, h.program()), Args: args,
		Env: append(env, h.Env...),
	}
}

// Enroll spends a token by the real command, the token on standard input.
func (h *Host) Enroll(ctx context.Context, token string, more ...string) (Result, error) {
	s, err := h.EnrollSpec(append([]string{"--token-file", "-"}, more...)...)
	if err != nil {
		return Result{}, err
	}
	return Run(ctx, s, token+"\n")
}

// EnrollSpec says how to run the command with these arguments.
func (h *Host) EnrollSpec(args ...string) (Spec, error) {
	if err := errors.Join(os.MkdirAll(h.Dir, 0o700), os.MkdirAll(h.StateDir(), 0o700)); err != nil {
		return Spec{}, err
	}
	s := h.Spec("enroll", append([]string{"enroll", "--conf", h.ConfFile()}, args...)...)
	s.Env = append([]string{
		"CONTROLLER_ADDR=" + h.Controller.Run.Enrollment, "CONTROLLER_CA_PATH=" + h.Controller.Run.CA,
		"TRUST_DOMAIN=" + h.Controller.Run.TrustDomain, strings.ToUpper(h.Kind) + "_ID=" + h.ID,
	}, s.Env...)
	return s, nil
}

// EnrollWithToken asks for a token and spends it.
func (h *Host) EnrollWithToken(ctx context.Context, more ...string) (token string, err error) {
	t, err := h.Controller.Token(ctx, h.Kind, h.ID, more...)
	if err != nil {
		return "", err
	}
	r, err := h.Enroll(ctx, t.Token)
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("enroll %s: exit %d: %s", h.ID, r.Code, r.Stderr)
	}
	return t.Token, err
}

// Start starts the agent and the program.
func (h *Host) Start() error { return errors.Join(h.StartAgent(), h.StartProgram()) }

// StartAgent starts the host's supervisor of spire-agent.
func (h *Host) StartAgent() (err error) {
	h.Agent, err = Start(h.Spec("agent", "agent", "run"))
	return err
}

// StartProgram starts the connector or tunneler.
func (h *Host) StartProgram() (err error) {
	h.Program, err = Start(h.Spec(h.program(), "run", "--config", h.ConfFile()))
	return err
}

// Stop ends both, the program first.
func (h *Host) Stop() error {
	var errs []error
	for _, p := range []*Process{h.Program, h.Agent} {
		if p != nil {
			_, err := p.Stop()
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Kill ends both at once.
func (h *Host) Kill() {
	for _, p := range []*Process{h.Program, h.Agent} {
		if p != nil {
			p.Kill()
		}
	}
}

// Addresses is a program's run.json.
type Addresses struct {
	Listen string `json:"listen"` // a connector's, for tunnelers
	Health string `json:"health"`
}

// Addresses says where the program listens.
func (h *Host) Addresses() (out Addresses, err error) {
	b, err := os.ReadFile(filepath.Join(h.StateDir(), "run.json"))
	if err != nil {
		return out, err
	}
	err = json.Unmarshal(b, &out)
	return out, err
}

// Seen is what the admin API says of a connector or a tunneler.
type Seen struct {
	adminapi.Member
	Since time.Time // start of its stream or session
}

// Seen asks the admin API about this host's program.
func (h *Host) Seen(ctx context.Context, api *adminclient.Client) (Seen, error) {
	if h.Kind == "connector" {
		m, err := api.Connector(ctx, h.ID)
		return Seen{m.Member, m.StreamSince}, err
	}
	m, err := api.Tunneler(ctx, h.ID)
	return Seen{m.Member, m.SessionSince}, err
}

// Online returns nil when the admin API says ONLINE.
func (h *Host) Online(ctx context.Context, api *adminclient.Client) error {
	s, err := h.Seen(ctx, api)
	if err == nil && s.Status != adminapi.Online {
		err = fmt.Errorf("%s %s is %s", h.Kind, h.ID, s.Status)
	}
	return err
}
