// Command grpcconnector accepts tunnelers inside a private network, and takes their flows to
// what they may reach there.
//
// It has no rules and no key of its own: connector/app wires it, the controller sends who may
// connect and reach what, and SPIRE gives it its identity.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func main() { os.Exit(cli.Execute(app.Command(), cli.OS())) }
