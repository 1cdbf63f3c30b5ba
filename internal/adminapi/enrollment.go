package adminapi

// Enrollment is what a host needs of this controller before it is enrolled. Nothing of
// it is secret.
type Enrollment struct {
	// Address of the enrollment listener, host:port as hosts reach it; empty while the
	// controller does not know it.
	Address     string `json:"address"`
	TrustDomain string `json:"trust_domain"`
	// CA is the bootstrap CA (PEM), which hosts have as CONTROLLER_CA_PATH; CAFingerprint
	// is SHA-256 over the certificate, as openssl prints it.
	CA            string `json:"ca"`
	CAFingerprint string `json:"ca_fingerprint"`
	// FetchCommand fetches the CA on a host that has nothing of this controller yet, and
	// prints its fingerprint, to compare with CAFingerprint.
	FetchCommand string `json:"fetch_command,omitempty"`
	// RequestCommands ask to be enrolled without a token, one for each kind.
	RequestCommands []RequestCommand `json:"request_commands"`
}

// RequestCommand makes a host ask for an approval. The id is the host's own name.
type RequestCommand struct {
	Kind    string `json:"kind" enum:"connector,tunneler"`
	Command string `json:"command"`
	// Requires says what has to be on the host first, and how it gets there.
	Requires string `json:"requires"`
}
