package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// checkTimeout bounds one check with all that it asks.
const checkTimeout = 15 * time.Second

// Level says how bad a Finding is.
type Level string

// The levels of a Finding.
const (
	OK      Level = "ok"
	Warning Level = "warning" // it works, and may not for long
	Fault   Level = "fault"   // it does not work
	Skipped Level = "skipped" // could not be looked at
)

// Finding is the result of one check.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	// Found is what was seen, Do what to do about it.
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// Report is what Run found, in the order in which it was looked for.
type Report struct {
	Program  string    `json:"program"`
	ID       string    `json:"id"`
	Healthy  bool      `json:"healthy"` // no fault
	Findings []Finding `json:"findings"`
}

// Count returns how many findings have the level.
func (r Report) Count(l Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

// Host is what is examined.
type Host struct {
	Program string // grpcconnector or grpctunneler
	Version string // of this program, to compare with the running one
	Kind    identity.Kind

	// Conf is the path of the conf file; ConfFault is what is wrong in it, and what
	// follows is as complete as that allows.
	Conf      string
	ConfFault error
	AgentConf string // of the SPIRE agent's supervisor; may be missing

	ID               string
	TrustDomain      string
	ControllerAddr   string
	ControlPlane     []string
	ControllerCAPath string
	ConnectorAddr    string // of a tunneler, one more address to dial
	StateDir         string
	Socket           string // file of the Workload API
	Dir              hostagent.Dir
	// EnrolledAs is "systemd:UNIT" or "uid:NUMBER", EnrolledBinary a path; both are
	// empty when the conf file does not say.
	EnrolledAs, EnrolledBinary string

	Means
}

// Means are how things are looked at; a test has others.
type Means struct {
	// Now is the clock of this host.
	Now func() time.Time
	// Lookup resolves a name, as net.Resolver.LookupHost does.
	Lookup func(ctx context.Context, name string) ([]string, error)
	// Systemctl is the program, empty where systemd does not run.
	Systemctl string
	// Ask asks the running program; its errors may be hostprogram.ErrOther.
	Ask func(ctx context.Context) (hostprogram.Document, error)
	// ControllerTime asks the controller for its clock, over verified TLS.
	ControllerTime func(ctx context.Context) (time.Time, error)
	// Standing asks the controller how this host stands with it, by its certificate, and
	// who is enrolled on it. Nil, or an error, leaves it at what the agent's supervisor knows.
	Standing func(ctx context.Context) (standing hostagent.Standing, members []string, err error)
	// Token reads the enrollment token that was given, nil for none.
	Token func() (text string, err error)
}

// examination is one Run: the host, and what earlier checks found out.
type examination struct {
	Host

	td         spiffeid.TrustDomain
	enrollment hostagent.Host // zero when unreadable
	program    *hostprogram.Document
	unresolved map[string]bool // names
	resolved   map[string][]string
	closed     map[string]bool // addresses
	trusted    bool            // the controller, by a handshake
	untimely   string          // a certificate of the controller that is out of its time
	revoked    bool            // by the controller: much else follows from that
}

// Check is one thing to look at.
type Check struct {
	Name string
	Run  func(context.Context) []Finding
}

// checks are in the order in which a person would look: a later one may depend on
// what an earlier one found.
func (x *examination) checks() []Check {
	return []Check{
		{"enrollment", x.enrolled},
		{"conf", x.conf},
		{"unit", x.unit},
		{"agent_unit", x.agentUnit},
		{"program", x.running},
		{"socket", x.socket},
		{"workload", x.workload},
		{"identity", x.identity},
		{"readiness", x.readiness},
		{"dns", x.dns},
		{"port", x.ports},
		{"trust", x.trust},
		{"clock", x.clock},
		{"token", x.token},
		{"leftover_token", x.leftover},
		{"host_certificate", x.hostCertificate},
		{"bundle", x.bundle},
		{"state_dir", x.stateDir},
	}
}

// Names lists the checks of a host, for documentation.
func Names() []string {
	var out []string
	for _, c := range new(examination).checks() {
		out = append(out, c.Name)
	}
	return out
}

// Run examines a host.
func Run(ctx context.Context, h Host) Report {
	x := &examination{Host: h, unresolved: map[string]bool{}, resolved: map[string][]string{}, closed: map[string]bool{}}
	x.td, _ = spiffeid.TrustDomainFromString(h.TrustDomain) // the conf check has the fault
	x.enrollment, _ = h.Dir.ReadHost()                      // the host certificate's check has the fault
	checks := x.checks()
	r := Examine(ctx, Report{Program: h.Program, ID: h.ID}, checks[:1])
	rest := checks[1:]
	if x.revoked {
		rest = slices.DeleteFunc(rest, func(c Check) bool { return follows[c.Name] })
	}
	healthy := r.Healthy
	r = Examine(ctx, r, rest)
	r.Healthy = r.Healthy && healthy
	return r
}

// Examine completes the report by these checks, one after the other.
func Examine(ctx context.Context, r Report, checks []Check) Report {
	r.Healthy = true
	for _, c := range checks {
		if ctx.Err() != nil {
			return r
		}
		found := func() []Finding {
			within, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			return c.Run(within)
		}()
		for _, f := range found {
			f.Check, f.Found = c.Name, health.OneLine(f.Found)
			r.Healthy = r.Healthy && f.Level != Fault
			r.Findings = append(r.Findings, f)
		}
	}
	return r
}

// Good makes the finding of a check that found nothing wrong.
func Good(format string, args ...any) []Finding {
	return []Finding{{Level: OK, Found: fmt.Sprintf(format, args...)}}
}

// Unseen makes the finding of a check that could not look.
func Unseen(format string, args ...any) []Finding {
	return []Finding{{Level: Skipped, Found: fmt.Sprintf(format, args...)}}
}

// Bad makes a finding that needs doing something.
func Bad(l Level, do, format string, args ...any) []Finding {
	return []Finding{{Level: l, Found: fmt.Sprintf(format, args...), Do: do}}
}

// rootOnly is the finding for a file that this user may not see, nil for another
// error.
func rootOnly(err error) []Finding {
	if errors.Is(err, fs.ErrPermission) {
		return Unseen("%v: run doctor as root to look at it", err)
	}
	return nil
}

// unitName is the unit that the program should run as.
func (x *examination) unitName() string {
	if name, ok := strings.CutPrefix(x.EnrolledAs, "systemd:"); ok {
		return name
	}
	return x.Program + ".service"
}

// byUnit is advice for a host with systemd, or otherwise the other one.
func (x *examination) byUnit(with, without string) string {
	if x.Systemctl != "" && !strings.HasPrefix(x.EnrolledAs, "uid:") {
		return with
	}
	return without
}

const spireServer = "SPIRE server"

// addresses lists what the host has to reach, without doubles.
func (x *examination) addresses() (out []target) {
	add := func(name, addr string, guessed bool) {
		if addr != "" && !slices.ContainsFunc(out, func(t target) bool { return t.addr == addr }) {
			out = append(out, target{name, addr, guessed})
		}
	}
	add("enrollment listener of the controller", x.ControllerAddr, false)
	for _, a := range x.ControlPlane {
		add("control plane of the controller", a, false)
	}
	if s := x.enrollment.SPIREServerAddress; s != "" {
		add(spireServer, s, false)
	} else {
		add(spireServer, withPort(x.ControllerAddr, "8081"), true)
	}
	if x.Kind == identity.KindTunneler {
		add("connector at CONNECTOR_ADDR", x.ConnectorAddr, false)
	}
	if x.program != nil && x.Kind == identity.KindTunneler {
		for _, s := range x.program.Sessions[:min(len(x.program.Sessions), maxConnectors)] {
			add("connector "+s.Peer, s.Address, false)
		}
	}
	return out
}
