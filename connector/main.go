// Command grpcconnector accepts tunnelers inside a private network.
package main

import (
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func main() { os.Exit(cli.Execute(app.Command(), cli.OS())) }
