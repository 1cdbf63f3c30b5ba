package hostcmd

import (
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Running is what status and doctor need of the configuration of a run.
type Running struct {
	hostprogram.Settings

	ID, SPIFFEID  string
	ListenAddr    string // of a connector, for tunnelers
	ConnectorAddr string // of a tunneler, one more address to dial
}

// RunSettings reads the configuration of a run. What Load returns beside an error is
// as complete as the faults allow.
type RunSettings interface {
	Flags(*pflag.FlagSet)
	Load(*pflag.FlagSet) (Running, error)
}

// RunSettingsOf makes a RunSettings of a program's loader.
func RunSettingsOf[T any](l *settings.Loader[T], of func(T) Running) RunSettings {
	return runSettings[T]{l, of}
}

type runSettings[T any] struct {
	*settings.Loader[T]

	of func(T) Running
}

// Load hides that of settings.Loader.
func (r runSettings[T]) Load(fs *pflag.FlagSet) (Running, error) {
	cfg, err := r.Loader.Load(fs)
	return r.of(cfg), err
}

// registerReader is for a command that only looks at a program that runs.
func registerReader(fs *pflag.FlagSet, s RunSettings) {
	s.Flags(fs)
	cli.ShowOnly(fs, "config", "health-addr", "host-dir", "state-dir")
}
