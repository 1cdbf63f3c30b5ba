package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// nobody stands for a user that owns nothing, as that of DynamicUser=yes.
const nobody = -1

// socket looks at the Workload API as the program sees it, who may be another user.
func (x *examination) socket(ctx context.Context) []Finding {
	start := x.byUnit("systemctl enable --now "+agentUnitName+", then `journalctl -u "+agentUnitName+"`",
		"start `"+x.Program+" agent run` as the user that owns "+x.Dir.Root)
	if x.Socket == "" {
		return Unseen("the conf file does not say where the Workload API is")
	}
	user := x.programUser()
	for _, dir := range ancestors(x.Socket) {
		info, err := os.Stat(dir)
		if err == nil && !may(info, user, 0o1) {
			return Bad(Fault, "chmod o+x "+dir+"; the directory of the agent's unit is made with RuntimeDirectoryMode=0755",
				"the program's user cannot enter %s (%v)", dir, info.Mode())
		}
	}
	info, err := os.Lstat(x.Socket)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Bad(Fault, start+"; if it runs, SPIFFE_ENDPOINT_SOCKET names the wrong file", "%s does not exist: the agent does not run, or has not attested", x.Socket)
	case errors.Is(err, fs.ErrPermission):
		return Bad(Fault, "open the directories above it to every user (chmod 0755): SPIRE decides by attestation which process gets an identity", "%s", without(x.Socket, err))
	case err != nil:
		return Bad(Fault, "check SPIFFE_ENDPOINT_SOCKET", "%s", without(x.Socket, err))
	case info.Mode().Type() != fs.ModeSocket:
		return Bad(Fault, "check SPIFFE_ENDPOINT_SOCKET", "%s is not a socket", x.Socket)
	case !may(info, user, 0o2):
		return Bad(Fault, "chmod 0777 "+x.Socket+", or restart the agent, which sets it: SPIRE decides by attestation which process gets an identity",
			"the program's user cannot write to %s (%v)", x.Socket, info.Mode())
	}
	within, cancel := context.WithTimeout(ctx, proc.Patience)
	defer cancel()
	switch err := proc.Serving(within, x.Socket); {
	case err == nil:
		return Good("the agent answers on %s", x.Socket)
	case os.Geteuid() != 0 && !may(info, os.Geteuid(), 0o2):
		return Unseen("this user cannot reach the agent's socket: %v", err)
	default:
		return Bad(Fault, start, "the agent does not answer: %v", err)
	}
}

// programUser is the numeric user that the program runs, or would run, as.
func (x *examination) programUser() int {
	if x.program != nil {
		return x.program.Process.UID
	}
	if text, byUID := strings.CutPrefix(x.EnrolledAs, "uid:"); byUID {
		if uid, err := strconv.Atoi(text); err == nil {
			return uid
		}
	}
	if x.EnrolledAs == "" && x.Systemctl == "" {
		return os.Geteuid()
	}
	return nobody
}

// may says whether a user has a permission (a bit of rwx) by the mode of a file. A
// group that it might be in does not count.
func may(info fs.FileInfo, uid int, bit fs.FileMode) bool {
	if uid == 0 {
		return true
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == uid {
		return info.Mode().Perm()&(bit<<6) != 0
	}
	return info.Mode().Perm()&bit != 0
}

// ancestors lists the directories above a path, from the top.
func ancestors(path string) (out []string) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		out = append([]string{dir}, out...)
		if dir == filepath.Dir(dir) {
			return out
		}
	}
}
