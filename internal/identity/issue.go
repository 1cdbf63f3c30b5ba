package identity

import (
	"crypto/x509"
	"strings"
	"time"
)

// hostNameSuffix ends the DNS name by which an X509-SVID says to which host it was
// issued. Nobody can own a name under .invalid (RFC 6761, 6.4), so the SVID is good as
// a certificate for no server.
const hostNameSuffix = ".host.invalid"

// SVIDName is the only DNS name of an X509-SVID that is issued to a member on this
// host. SPIRE copies it from the registration entry, whose parent is the host's agent:
// the agent of another host cannot get it.
func (h HostID) SVIDName() string { return string(h) + hostNameSuffix }

// noHost is the host of an SVID whose names say nothing that we write. It is no host id.
const noHost HostID = "-"

// Issue is what an X509-SVID itself says of its issue: to which host, and when. It
// distinguishes the present holder of an id from a former one, and decides nothing else: who
// somebody is, is in the SPIFFE ID.
type Issue struct {
	Host      HostID // empty without a DNS name
	NotBefore time.Time
}

// IssueOf reads a verified X509-SVID.
func IssueOf(svid *x509.Certificate) Issue {
	out := Issue{NotBefore: svid.NotBefore}
	if len(svid.DNSNames) == 0 {
		return out
	}
	name, ok := strings.CutSuffix(svid.DNSNames[0], hostNameSuffix)
	host, err := ParseHostID(name)
	if !ok || err != nil || len(svid.DNSNames) > 1 {
		host = noHost
	}
	out.Host = host
	return out
}

// To says whether an SVID of this issue belongs to the host that holds the id since
// then; since is the earliest notBefore that its SVIDs can have. An SVID of another
// host is of a former holder, whenever it was issued, and one from before of a former
// enrollment of the same host. Certificates carry whole seconds.
func (i Issue) To(host HostID, since time.Time) bool {
	return i.Host == host && !i.NotBefore.Before(since.Truncate(time.Second))
}
