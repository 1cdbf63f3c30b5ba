// Command idlegrpc is a gRPC server with a health service and nothing else: what
// any Go program that serves gRPC costs while it idles. It ends with its input.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "idlegrpc:", err)
		os.Exit(1)
	}
}

func serve() error {
	lis, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	return server.Serve(lis)
}
