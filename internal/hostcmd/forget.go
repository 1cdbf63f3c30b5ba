package hostcmd

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// keptState is what an earlier enrollment left on this host, as it was before this one
// wrote anything.
type keptState struct {
	dirs []string // state directories that the program may have used
	// other says that the host was enrolled before, by a controller with another CA.
	other bool
}

func (e *enrollment) keptState() (k keptState) {
	text, _ := e.confText() // checkConf has read it
	k.dirs = []string{e.set.StateDir, envfile.Value(text, "STATE_DIR")}
	if e.conf == e.program.Conf {
		k.dirs = append(k.dirs, e.program.State)
	}
	was, err := atomicfile.Read(hostagent.Dir{Root: e.set.HostDir}.ControllerCA(), maxConf)
	now, err2 := atomicfile.Read(e.set.ControllerCAPath, maxConf)
	k.other = err == nil && err2 == nil && !bytes.Equal(bytes.TrimSpace(was), bytes.TrimSpace(now))
	return k
}

// pin keeps the recovery key of the controller, beside what the program keeps of it. A host
// that could not keep it, or that received none, pins the first one on its stream.
func (e *enrollment) pin(reply *zerotrustv1.EnrollResponse) {
	m := reply.GetTimeline()
	if e.set.StateDir == "" || m == nil {
		return
	}
	if err := timeline.Enrolled(e.set.StateDir, e.runAs, m, reply.GetDirectory().GetTimeline(), e.td.Name(), time.Now()); err != nil {
		e.say(fmt.Sprintf("the recovery key of the controller was not pinned: %v", err))
	}
}

// forget drops what the program would hold against the controller that has just
// enrolled it: a policy of another controller, or of one before its restore, names
// nobody of this one and may be of a higher revision.
func (e *enrollment) forget(k keptState) error {
	if e.program.Forget == nil {
		return nil
	}
	done := map[string]bool{"": true}
	for _, dir := range k.dirs {
		if done[dir] {
			continue
		}
		done[dir] = true
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := e.program.Forget(dir, k.other); err != nil {
			return fmt.Errorf("the host is enrolled, but what it keeps of its former controller in %s was not dropped: %w: run `%s enroll` again as root",
				dir, err, e.program.Name)
		}
	}
	return nil
}
