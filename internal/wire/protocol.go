package wire

import "fmt"

// Protocol is the format of what controllers, connectors and tunnelers say to one
// another. It changes when one side could not understand the other any more.
const Protocol = 1

// CheckProtocol returns why a caller that speaks a format cannot be served, in words for
// whoever operates it: who is to be upgraded.
func CheckProtocol(spoken uint32) error {
	switch {
	case spoken < Protocol:
		return fmt.Errorf("upgrade the program on this host: it speaks protocol %d, the controller speaks %d", spoken, Protocol)
	case spoken > Protocol:
		return fmt.Errorf("upgrade the controller: it speaks protocol %d, the program on this host speaks %d", Protocol, spoken)
	}
	return nil
}
