package hostcmd_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// RequestEnrollment takes every request; its code tries to draw on the screen.
func (c *controller) RequestEnrollment(_ context.Context, r *zerotrustv1.RequestEnrollmentRequest) (*zerotrustv1.RequestEnrollmentResponse, error) {
	c.asked = r
	return &zerotrustv1.RequestEnrollmentResponse{
		RequestId: "req_1", UserCode: "BCDF-GHJK\x1b[2J", ExpiresAt: timestamppb.New(time.Now().Add(time.Minute)),
	}, nil
}

// AwaitEnrollment decides as the test says.
func (c *controller) AwaitEnrollment(stream zerotrustv1.EnrollmentService_AwaitEnrollmentServer) error {
	err := stream.Send(&zerotrustv1.AwaitEnrollmentResponse{Step: &zerotrustv1.AwaitEnrollmentResponse_Challenge{Challenge: make([]byte, 32)}})
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil || c.decide != nil {
		return c.decide
	}
	reply, err := c.Enroll(stream.Context(), &zerotrustv1.EnrollRequest{Token: token, Id: c.asked.GetId(), Csr: c.asked.GetCsr()})
	if err != nil {
		return err
	}
	return stream.Send(&zerotrustv1.AwaitEnrollmentResponse{Step: &zerotrustv1.AwaitEnrollmentResponse_Enrolled{Enrolled: reply}})
}

// without drops a flag and its value.
func without(args []string, flag string) []string {
	at := slices.Index(args, flag)
	return slices.Delete(slices.Clone(args), at, at+2)
}

func TestRequestShowsWhatToCompareAndEnrolls(t *testing.T) {
	t.Parallel()
	c := startController(t)
	args, dir := enrollArgs(t, c)
	args = append(without(without(args, "--token-file"), "--tunneler-id"), "--request", "--id", "laptop")
	got := run("", args...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stderr, "tunneler/laptop")
	require.Regexp(t, `fingerprint  ([0-9A-Z]{4}-){5}[0-9A-Z]{4}\n`, got.stderr)
	require.Contains(t, got.stderr, "requests approve BCDF-GHJK")
	require.NotContains(t, got.stderr, "\x1b")
	require.Contains(t, got.stdout, "enrolled spiffe://mycorp.internal/tunneler/laptop")
	require.FileExists(t, filepath.Join(dir, "tunneler.conf"))

	args, _ = enrollArgs(t, c)
	got = run("", append(without(args, "--token-file"), "--request", "-o", "json")...)
	require.Zero(t, got.code, got.stderr)
	require.Regexp(t, `(?s)^\{"event":"pending",.*\n\{"event":"enrolled",.*\}\n$`, got.stdout)
}

func TestRequestEndsWithAnExitCodeOfItsOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		decide error
		args   []string
		code   int
		want   string
	}{
		"denied":               {status.Error(codes.FailedPrecondition, "x"), nil, 3, "an operator denied"},
		"nobody decided":       {status.Error(codes.DeadlineExceeded, "x"), nil, 4, "the request was not decided in time"},
		"gave up":              {status.Error(codes.Unavailable, "x"), []string{"--timeout", "3s"}, 4, "gave up after 3s"},
		"nobody answers":       {nil, []string{"--controller-addr", "127.0.0.1:1", "--timeout", "1s"}, 4, "nothing listens there"},
		"another command":      {status.Error(codes.Aborted, "x"), nil, 1, "another command waits for"},
		"refused":              {status.Error(codes.PermissionDenied, "x"), nil, 1, "--new-host"},
		"with a token too":     {nil, []string{"--token-file", "-"}, 2, "none of the others"},
		"with a sealed one":    {nil, []string{"--sealed", "-"}, 2, "none of the others"},
		"of an id that is bad": {nil, []string{"--id", "A B"}, 2, "TUNNELER_ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startController(t)
			c.decide = tc.decide
			args, dir := enrollArgs(t, c)
			got := run("", append(append(without(args, "--token-file"), "--request"), tc.args...)...)
			require.Equal(t, tc.code, got.code, got.stderr)
			require.Contains(t, got.stderr, tc.want)
			require.NotRegexp(t, `rpc error|desc =|transport:`, got.stderr)
			require.NoFileExists(t, filepath.Join(dir, "host", "host.crt"))
		})
	}
}

func TestSealedTokens(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	to, err := keys.ParseRecipient(string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(signer.PublicKey()))))
	require.NoError(t, err)
	sealed, err := keys.SealToken(to, token)
	require.NoError(t, err)
	c := startController(t)
	args, dir := enrollArgs(t, c)
	key := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(block), 0o600))
	args = without(args, "--token-file")

	got := run(token, append(args, "--sealed", "-", "--identity", key)...)
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stderr, "not a sealed enrollment token")
	require.NotContains(t, got.stderr, token)
	got = run(sealed, append(args, "--sealed", "-", "--identity", filepath.Join(dir, "ca.crt"))...)
	require.Contains(t, got.stderr, "neither an SSH private key")
	got = run(sealed, append(args, "--sealed", "-", "--identity", key)...)
	require.Zero(t, got.code, got.stderr)
	require.NotContains(t, got.stdout+got.stderr, token)
}
