package wire

import "time"

// Caps on one message, by its sender. Each sender's largest message fits its
// receiver's cap, and what a tunneler says still fits when its connector passes it
// on: a message that an honest program relays must never end that program's stream.
const (
	// MaxFromTunneler is for a connector's listener. The largest message there is a
	// re-proof, with a certificate chain of 16 KiB.
	MaxFromTunneler = 32 << 10
	// MaxToTunneler is for acknowledgements and re-proofs of a connector.
	MaxToTunneler = 32 << 10
	// MaxFromMember is for the controller's listener. The largest message there is a full
	// report of refused sessions. A member may begin some hundred calls whose messages
	// never end, and each of them holds that much.
	MaxFromMember = 192 << 10
	// MaxUpdate is how large a controller makes one message of a policy, a directory or
	// denials. None grows with the fleet.
	MaxUpdate = 64 << 10
	// MaxFromController is what connectors and tunnelers take. It is twice MaxUpdate: a
	// message that is too large for its receiver ends the stream, and would be sent again
	// on the next one.
	MaxFromController = 2 * MaxUpdate
)

// Caps on lists and texts. Texts are counted in bytes.
const (
	// MaxLabel is for versions and ids of starts.
	MaxLabel = 64
	// MaxAuthorities is more than a bundle ever has: two a server, and a few that have
	// not expired yet.
	MaxAuthorities = 64
	// MaxKeyID is for serial numbers and key ids, in hexadecimal.
	MaxKeyID = 80
	// MaxRemoteAddress has room for an IPv6 address with a zone and a port.
	MaxRemoteAddress = 80
	// MaxAddresses and MaxAddress are for lists of host:port.
	MaxAddresses = 16
	MaxAddress   = 255
	// MaxRefusals is what one report of refused sessions may list.
	MaxRefusals = 64
	// MaxReach is how many resources the list of a tunneler has. It may reach others that are
	// granted to it all the same.
	MaxReach = 2048
	// MaxFlowRecords is what one message of flows may list.
	MaxFlowRecords = 256
	// MaxReason is for texts that people read.
	MaxReason = 256
	// MaxSessions is how many connections a connector takes, and how many sessions the
	// controller believes it has.
	MaxSessions = 1 << 14
)

// MaxSVIDTTL is the longest life of an X509-SVID that a controller may be configured
// with. Denials are kept for longer.
const MaxSVIDTTL = 7 * 24 * time.Hour
