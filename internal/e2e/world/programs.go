package world

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// binEnv names another directory of programs than bin/ of this checkout.
const binEnv = "E2E_BIN"

// Programs is the directory of the programs. It is an error when one is missing:
// to skip a test for it would hide that nothing was tested.
func Programs() (string, error) {
	bin := os.Getenv(binEnv)
	if bin == "" {
		_, file, _, _ := runtime.Caller(0)
		bin = filepath.Join(filepath.Dir(file), "..", "..", "..", "bin")
	}
	for name, elsewhere := range map[string]string{
		"grpccontroller": "", "grpcconnector": "", "grpctunneler": "",
		"spire-server": os.Getenv("SPIRE_SERVER_BIN"), "spire-agent": os.Getenv("SPIRE_AGENT_BIN"),
	} {
		if elsewhere != "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return "", fmt.Errorf("run make build spire: %w", err)
		}
	}
	return bin, nil
}
