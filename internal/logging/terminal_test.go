package logging_test

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// TestTheFormatIsForWhoeverReads: a person on a terminal, a machine elsewhere.
func TestTheFormatIsForWhoeverReads(t *testing.T) {
	t.Parallel()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	defer func() { _ = master.Close() }()
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	defer func() { _ = terminal.Close() }()

	log, _, err := logging.New(logging.DefaultConfig(), terminal)
	require.NoError(t, err)
	log.Info("hello")
	line := make([]byte, 256)
	read, err := master.Read(line)
	require.NoError(t, err)
	require.Contains(t, string(line[:read]), "\tinfo\thello")

	json := logging.DefaultConfig()
	json.Format = logging.FormatJSON
	log, _, err = logging.New(json, terminal)
	require.NoError(t, err)
	log.Info("hello")
	read, err = master.Read(line)
	require.NoError(t, err)
	require.Contains(t, string(line[:read]), `{"level":"info"`)

	var elsewhere bytes.Buffer
	log, _, err = logging.New(logging.DefaultConfig(), &elsewhere)
	require.NoError(t, err)
	log.Info("hello")
	require.Contains(t, elsewhere.String(), `{"level":"info"`)
}
