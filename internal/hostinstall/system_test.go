package hostinstall_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostinstall"
)

func TestAProgramGetsNothingOfOurEnvironment(t *testing.T) {
	t.Setenv("ENROLLMENT_TOKEN", goodToken)
	var aloud bytes.Buffer
	p := hostinstall.Programs(&aloud, &aloud)
	out, err := p.Run(t.Context(), hostinstall.Call{Name: "env"})
	require.NoError(t, err)
	for line := range strings.Lines(out) {
		require.Regexp(t, `^(PATH=|LC_ALL=C$)`, strings.TrimSpace(line))
	}
	out, err = p.Run(t.Context(), hostinstall.Call{Name: "cat", Stdin: "text", Aloud: true})
	require.NoError(t, err)
	require.Empty(t, out)
	require.Equal(t, "text", aloud.String())

	_, err = p.Run(t.Context(), hostinstall.Call{Name: "sh", Args: []string{"-c", "echo why >&2; exit 3"}})
	var ended *hostinstall.CommandError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, 3, ended.Code)
	require.ErrorContains(t, err, "why")
	_, err = p.Run(t.Context(), hostinstall.Call{Name: "/nonexistent"})
	require.ErrorIs(t, err, hostinstall.ErrNotStarted)
	require.True(t, p.Find("sh"))
	require.False(t, p.Find("no-such-program"))
}

func TestTheKernelSaysWhatIsFree(t *testing.T) {
	t.Parallel()
	k := hostinstall.Kernel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, k.Listen(t.Context(), l.Addr().String()), "address already in use")
	require.NoError(t, l.Close())
	require.NoError(t, k.Listen(t.Context(), "127.0.0.1:0"))

	dir := t.TempDir()
	require.NoError(t, k.Writable(dir))
	require.Error(t, k.Writable("/nonexistent"))
	free, device, err := k.Space(dir)
	require.NoError(t, err)
	require.NotZero(t, free)
	_, same, err := k.Space(filepath.Dir(dir))
	require.NoError(t, err)
	require.Equal(t, device, same)
	_, _, err = k.Space("/nonexistent")
	require.Error(t, err)
}

func TestReadyIsWhatTheProgramSays(t *testing.T) {
	t.Parallel()
	k := hostinstall.Kernel()
	status, text := http.StatusOK, "ready"
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	addr := s.Listener.Addr().String()
	require.NoError(t, k.Ready(t.Context(), addr))
	status, text = http.StatusServiceUnavailable, "[+] a: fine\n[-] b: broke\n"
	require.EqualError(t, k.Ready(t.Context(), addr), "b: broke")
	s.Close()
	require.ErrorContains(t, k.Ready(t.Context(), addr), "does not answer")
}

func TestAnOlderReleaseSupersedesNothing(t *testing.T) {
	t.Parallel()
	order := []string{
		"v0.9", "v1.2.9", "v1.2.10", "v1.10.0-alpha", "v1.10.0-rc1", "v1.10.0-rc1-3-gabc", "v1.10.0-rc2-1-g0123abc-dirty", "v1.10.0-rc10", "v1.10.0-rc10.1", "v1.10.0",
		"v1.10.0-3-gabc", "v1.10.0-12-gabc-dirty", "v1.10.1-rc1", "v1.11.0", "v10.0.0", "v18446744073709551616.0.0", "v18446744073709551617.0.0",
	}
	for n, a := range order {
		for m, b := range order {
			require.Equal(t, n >= m, hostinstall.Supersedes(a, b), "%s over %s", a, b)
		}
	}
	for _, suffix := range []string{"rc1", "-rc1", "~rc1", ".beta", "-1", "-g1", "-3-gxyz", "-dirty", "-3-gabc-rc1"} {
		require.True(t, hostinstall.Supersedes("v1.2.3", "v1.2.3"+suffix), suffix)
		require.False(t, hostinstall.Supersedes("v1.2.3"+suffix, "v1.2.3"), suffix)
	}
	for _, pair := range [][2]string{{"v1.2.3", "1.2.3"}, {"v1.2.3", "v01.2.3"}, {"v1.2.3-3-gabc", "v1.2.3-3-gdef"}, {"v1.2.3-3-gabc", "v1.2.3-3-gabc-dirty"}} {
		require.True(t, hostinstall.Supersedes(pair[0], pair[1]), "%s has no order", pair)
		require.True(t, hostinstall.Supersedes(pair[1], pair[0]), "%s has no order", pair)
	}
	for _, there := range []string{"", "788f529", "devel", "788f529-dirty"} {
		require.True(t, hostinstall.Supersedes("v1.0.0", there), "%q has no order", there)
		require.True(t, hostinstall.Supersedes("a1b2c3d", there))
	}
	require.True(t, hostinstall.Supersedes("a1b2c3d", "v1.0.0"))
}
