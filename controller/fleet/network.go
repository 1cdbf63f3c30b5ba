package fleet

import "time"

// DefaultNetwork is where every connector is until it is put elsewhere.
const DefaultNetwork = "default"

// Network groups connectors.
type Network struct {
	ID        string
	Name      string
	CreatedAt time.Time // zero for DefaultNetwork, which was always there
}
