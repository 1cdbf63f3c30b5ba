// Command grpctunneler connects a host to private networks.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

func main() { os.Exit(cli.Execute(app.Command(), cli.OS())) }
