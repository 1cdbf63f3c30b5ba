package controlclient_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

func TestEachProgramStartHasItsOwnName(t *testing.T) {
	t.Parallel()
	a, b := controlclient.ProgramStart(), controlclient.ProgramStart()
	require.Len(t, a, 32)
	require.NotEqual(t, a, b)
}

func TestTheKernelsNameStaysForABoot(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, controlclient.KernelStart())
	first := controlclient.KernelStart()
	require.Equal(t, first, controlclient.KernelStart())
}

func TestAnAgentIsNamedAfterTheProcessThatListens(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir's path is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "api.sock")
	require.Empty(t, controlclient.AgentStart(t.Context(), path), "nobody is there")

	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	name := controlclient.AgentStart(t.Context(), path)
	pid, ticks, ok := strings.Cut(name, "@")
	require.True(t, ok, name)
	require.Equal(t, strconv.Itoa(os.Getpid()), pid)
	_, err = strconv.ParseUint(ticks, 10, 64)
	require.NoError(t, err, name)
	require.Equal(t, name, controlclient.AgentStart(t.Context(), path), "the same process has the same name")

	require.NoError(t, l.Close())
	require.Empty(t, controlclient.AgentStart(t.Context(), path), "it is gone")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.Empty(t, controlclient.AgentStart(t.Context(), path), "not a socket")
}
