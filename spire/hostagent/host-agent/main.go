// Command host-agent runs spire-agent on an enrolled host. It is what
// spire-agent.service starts: one agent serves all roles of a host, so it must
// need neither grpcconnector nor grpctunneler, whose `agent run` is the same. It does not
// enroll the host (their `enroll` does).
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
)

func main() {
	root := &cobra.Command{
		Use:   "host-agent",
		Short: "Run the SPIRE agent of this host and keep it healthy",
	}
	root.AddCommand(hostcmd.AgentCommands(root.Use)...)
	os.Exit(cli.Execute(root, cli.OS()))
}
