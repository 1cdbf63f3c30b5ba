package access

import "net/netip"

// ranges of addresses that are not like others.
type ranges []netip.Prefix

func prefixes(texts ...string) ranges {
	out := make(ranges, 0, len(texts))
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func (r ranges) contain(addr netip.Addr) bool {
	for _, p := range r {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

var (
	// unusable addresses are no host that one can connect to, or are the connector itself by
	// another name (0.0.0.0 and ::).
	unusable = prefixes("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")

	// reserved addresses lead to the connector's own host, its link or the service that hands
	// out credentials to machines in a cloud, or carry an IPv4 address that somebody between
	// may unpack. Only a resource that names the very address reaches one.
	reserved = prefixes(
		"127.0.0.0/8", "169.254.0.0/16", "fe80::/10",
		"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128", "fd00:42::42/128",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
	)

	// private addresses are what names lead to in a network that declares no prefixes: those
	// of RFC 1918, RFC 6598 and RFC 4193.
	private = prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)

func never(addr netip.Addr) bool { return unusable.contain(addr) }
