// Command grpctunneler connects a host to private networks.
//
// It decides nothing and holds no key: tunneler/app wires it, the controller says which
// connectors it may use, and SPIRE gives it its identity.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/app"
)

func main() { os.Exit(cli.Execute(app.Command(), cli.OS())) }
