// Command grpccontroller is the central program: SPIRE-style registrar, control
// plane and admin API.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func main() { os.Exit(cli.Execute(app.Root(), cli.OS())) }
