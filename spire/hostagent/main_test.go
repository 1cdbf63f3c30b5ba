package hostagent_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const fakeVariable = "HOSTAGENT_TEST_FAKE"

// TestMain lets the test binary play spire-agent, for tests about decisions.
func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) != "" {
		if err := playAgent(os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// playAgent serves the health service on the configured socket. It leaves one
// line per start in starts beside its configuration: the server's address and
// whether its data directory was empty. A file named "sick" there makes it
// unhealthy.
func playAgent(confPath string) error {
	conf, err := os.ReadFile(confPath)
	if err != nil {
		return err
	}
	value := func(key string) string {
		return string(regexp.MustCompile(key + ` = "?([^"\n]*)`).FindSubmatch(conf)[1])
	}
	old, err := os.ReadDir(value("data_dir"))
	if err != nil {
		return err
	}
	starts, err := os.OpenFile(filepath.Join(filepath.Dir(confPath), "starts"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(starts, "%s:%s empty=%t\n", value("server_address"), value("server_port"), len(old) == 0)
	_ = starts.Close()
	_ = os.WriteFile(filepath.Join(value("data_dir"), "agent-data.json"), nil, 0o600)
	_ = os.Remove(value("socket_path"))
	l, err := net.Listen("unix", value("socket_path")) //nolint:noctx // test
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, &fakeHealth{sick: filepath.Join(filepath.Dir(confPath), "sick")})
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, server.Stop)
	return server.Serve(l)
}

type fakeHealth struct {
	grpc_health_v1.UnimplementedHealthServer
	sick string
}

func (f *fakeHealth) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	status := grpc_health_v1.HealthCheckResponse_SERVING
	if _, err := os.Stat(f.sick); err == nil {
		status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
	}
	return &grpc_health_v1.HealthCheckResponse{Status: status}, nil
}
