package hostcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/envfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// maxConf bounds what is read as an existing conf file.
const maxConf = 1 << 20

// done says whether this role was enrolled before. The conf file is written last,
// and only enrollment knows the control plane.
func (e *enrollment) done() (bool, error) {
	dir := hostagent.Dir{Root: e.set.HostDir}
	if _, err := os.Stat(dir.HostFile()); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	text, err := e.confText()
	if err != nil {
		return false, err
	}
	return envfile.Value(text, e.program.idKey()) == e.set.id(e.program.Kind) && envfile.Value(text, "CONTROL_PLANE_ADDRS") != "", nil
}

// confText is the conf file as it is, empty if there is none.
func (e *enrollment) confText() (string, error) {
	text, err := atomicfile.Read(e.conf, maxConf)
	if e.conf == "" || errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// checkConf finds what would keep the conf file from being edited before a token is
// spent.
func (e *enrollment) checkConf() error {
	text, err := e.confText()
	if err != nil {
		return err
	}
	if err := envfile.Check(text); err != nil {
		return cli.UsageError(fmt.Errorf("%s cannot be edited: %w: correct it first", e.conf, err))
	}
	return nil
}

// writeConf sets what enrollment knows in the conf file and leaves the rest.
func (e *enrollment) writeConf(reply *zerotrustv1.EnrollResponse) error {
	if e.conf == "" {
		return nil
	}
	text, err := e.confText()
	if err != nil {
		return err
	}
	merged, err := envfile.Merge(text, e.entries(reply.GetControlPlaneAddresses()))
	if err != nil {
		return err
	}
	if err := makeOpen(filepath.Dir(e.conf)); err != nil {
		return err
	}
	return atomicfile.Write(e.conf, []byte(merged), 0o644)
}

// makeOpen makes the directories that are missing, open to the program's own user also
// where root has a narrow umask.
func makeOpen(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeOpen(filepath.Dir(dir)); err == nil {
			err = os.Mkdir(dir, 0o755)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // settings that everybody may read
}

// entries are what enrollment knows; control is empty if the controller named no
// control plane that this host may take from it.
func (e *enrollment) entries(control []string) []envfile.Entry {
	if len(control) == 0 {
		control = hostprogram.SameHost(e.set.ControllerAddr, nil)
	}
	out := []envfile.Entry{
		{Key: "CONTROLLER_ADDR", Value: e.set.ControllerAddr},
		{Key: "CONTROL_PLANE_ADDRS", Value: strings.Join(control, ",")},
		{Key: "CONNECTOR_ID", Value: e.set.ConnectorID},
		{Key: "CONTROLLER_CA_PATH", Value: hostagent.Dir{Root: e.set.HostDir}.ControllerCA()},
		{Key: "TRUST_DOMAIN", Value: e.td.Name()},
		{Key: "SPIFFE_ENDPOINT_SOCKET", Value: e.set.SpiffeSocket},
		{Key: "STATE_DIR", Value: e.set.StateDir},
	}
	if e.set.HostDir != hostprogram.DefaultHostDir {
		out = append(out, envfile.Entry{Key: "HOST_DIR", Value: e.set.HostDir}) // for status and doctor
	}
	if e.program.Kind == identity.KindTunneler {
		out = append(out, envfile.Entry{Key: "TUNNELER_ID", Value: e.set.TunnelerID}, envfile.Entry{Key: "CONNECTOR_ADDR", Value: e.set.ConnectorAddr})
	} else {
		out = append(out, envfile.Entry{Key: "CONNECTOR_PRIVATE_IP", Value: e.set.ConnectorPrivateIP})
	}
	return append(out, e.selectors()...)
}

// selectors note as what SPIRE knows the program, for doctor. A path or unit that the
// file cannot hold is left out: it is no reason to fail an enrollment.
func (e *enrollment) selectors() (out []envfile.Entry) {
	as := "systemd:" + e.unit
	if e.unit == "" {
		as = fmt.Sprintf("uid:%d", e.runAs)
	}
	path, _ := executable(e.binary) // found before the token was spent
	for _, s := range []envfile.Entry{{Key: "ENROLLED_AS", Value: as}, {Key: "ENROLLED_BINARY", Value: path}} {
		if _, err := envfile.Quote(s.Value); err == nil {
			out = append(out, s)
		}
	}
	return out
}

// tryConf reads the conf file, as it will be, the way the unit's program will read it:
// a fault that would keep the program from starting is found before a token is spent.
func (e *enrollment) tryConf() error {
	text, err := e.confText()
	if err != nil {
		return err
	}
	merged, err := envfile.Merge(text, e.entries(nil))
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "enroll-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, filepath.Base(e.conf))
	if err := os.WriteFile(path, []byte(merged), 0o600); err != nil {
		return err
	}
	if _, err := loadRunning(e.program, path); err != nil {
		return fmt.Errorf("%s would keep %s from starting: %w", e.conf, e.unit, err)
	}
	return nil
}

// loadRunning reads the configuration of the program that runs with this conf file,
// empty for the default one.
func loadRunning(p Program, conf string) (Running, error) {
	set, fs := p.Run(), pflag.NewFlagSet(p.Name, pflag.ContinueOnError)
	set.Flags(fs)
	if conf != "" {
		if err := fs.Set("config", conf); err != nil {
			return Running{}, err
		}
	}
	cfg, err := set.Load(fs)
	cfg.StateDir = StateOf(cfg.StateDir, p.State, fs)
	return cfg, err
}
