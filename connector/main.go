// Command grpcconnector accepts tunnelers inside a private network.
//
// It decides nothing and holds no key: connector/app wires it, the controller says who may
// connect, and SPIRE gives it its identity.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func main() { os.Exit(cli.Execute(app.Command(), cli.OS())) }
