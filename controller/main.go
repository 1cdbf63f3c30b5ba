// Command grpccontroller is the central program: registrar of SPIRE, control plane, admin
// API and dashboard.
//
// It issues no workload identity (spire-server does) and carries no traffic of users
// (connectors and tunnelers do). controller/app wires it.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func main() { os.Exit(cli.Execute(app.Root(), cli.OS())) }
