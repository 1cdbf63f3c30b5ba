package hostprogram

import (
	"context"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// StatusPath is where a Document is served.
const StatusPath = "/status"

// sessionGrace is how long a session outlives the SVID it was proved with.
const sessionGrace = 30 * time.Second

// Publisher serves the Document of this program.
type Publisher struct {
	server *health.Server
	fixed  Document
	fill   atomic.Pointer[func(*Document)]
}

// Publish serves at StatusPath what is known from the start, and the checks. Fill adds
// the rest.
func Publish(server *health.Server, fixed Document) *Publisher {
	fixed.StartedAt, fixed.Process = time.Now().UTC(), thisProcess()
	p := &Publisher{server: server, fixed: fixed}
	server.Document(StatusPath, func(time.Time) any { return p.document() })
	return p
}

// Fill makes fill complete each Document from now on. It must return soon and may be
// called by several requests at once.
func (p *Publisher) Fill(fill func(*Document)) { p.fill.Store(&fill) }

func (p *Publisher) document() Document {
	d := p.fixed
	report := p.server.Checks().Report(context.Background()) // which bounds itself
	d.Ready, d.Degraded, d.Checks = report.Ready, report.Degraded, report.Checks
	if fill := p.fill.Load(); fill != nil {
		(*fill)(&d)
	}
	d.bound()
	return d
}

// Identity describes the identity in use, and how long it lasts.
func (d *Document) Identity(s *mtls.Source) {
	st := s.Status()
	d.SVID = &SVID{Serial: st.Serial, AuthorityID: st.AuthorityID, NotBefore: st.NotBefore.UTC(), NotAfter: st.NotAfter.UTC()}
	d.BundleAuthorityIDs = s.AuthorityIDs()
	d.Outage.WithoutSPIRE = st.NotAfter.Add(sessionGrace).UTC()
}

// LinkOf describes a stream.
func LinkOf(st controlclient.Status) *Link {
	l := &Link{Connected: st.Connected, Address: st.Address, Since: st.Since.UTC()}
	if st.LastError != nil && !st.Connected {
		l.Failure = st.LastError.Error()
	}
	return l
}

func thisProcess() Process {
	p := Process{PID: os.Getpid(), UID: os.Getuid()}
	p.Binary, _ = os.Executable()
	raw, err := os.ReadFile("/proc/self/cgroup")
	if err == nil {
		p.Unit = unitOf(string(raw))
	}
	return p
}

// unitOf is the service that a cgroup belongs to: the last part of its path that is
// one, for a unit may have groups below its own.
func unitOf(cgroup string) string {
	for line := range strings.Lines(cgroup) {
		_, dir, ok := strings.Cut(strings.TrimSpace(line), "::") // version 2 has one line, of hierarchy 0
		if !ok {
			continue
		}
		for ; dir != "/" && dir != "."; dir = path.Dir(dir) {
			if name := path.Base(dir); strings.HasSuffix(name, ".service") {
				return name
			}
		}
	}
	return ""
}
