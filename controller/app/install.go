package app

import (
	"fmt"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// installCommands are what an operator pastes on the new host, the best first.
// Where it can, the token goes over standard input: not in argv, not in the
// environment of a process, not in a file.
func (c *controller) installCommands(t enroll.Token, handed string) []adminapi.InstallCommand {
	idVar := "CONNECTOR_ID"
	if t.Workload.Kind == identity.KindTunneler {
		idVar = "TUNNELER_ID"
	}
	settings := fmt.Sprintf("CONTROLLER_ADDR=%q %s=%q TRUST_DOMAIN=%q CONTROLLER_CA_PATH=\"/path/to/ca.crt\"", c.enrollAt, idVar, t.Workload.ID, c.td.Name())
	enrollBy := func(how string) string {
		return fmt.Sprintf("sudo %s \\\n  grpc%s enroll %s", settings, t.Workload.Kind, how)
	}
	switch t.Delivery {
	case enroll.Sealed:
		return []adminapi.InstallCommand{{Form: "sealed", Command: enrollBy("--sealed - <<'SEALED'\n" + handed + "SEALED")}}
	case enroll.ByClaim:
		return []adminapi.InstallCommand{{
			Form: "claim", Command: enrollBy("--token-file -"),
			Warning: "open the link first, then paste the token that it shows and end with ctrl-d",
		}}
	default:
		return []adminapi.InstallCommand{
			{Form: "stdin", Command: enrollBy("--token-file - <<'TOKEN'\n" + handed + "\nTOKEN")},
			{
				Form: "file", Command: enrollBy("--token-file /run/enrollment-token"),
				Warning: "write the token to /run/enrollment-token first, readable by root only, and remove the file afterwards",
			},
			{
				Form:    "environment",
				Command: fmt.Sprintf("sudo %s %s=%q \\\n  grpc%s enroll", settings, enrollclient.TokenEnv, handed, t.Workload.Kind),
				Warning: "the token stays in the shell's history and in sudo's log",
			},
		}
	}
}
