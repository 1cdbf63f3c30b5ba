package wire

import (
	"net"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// Label says whether s is a version or the id of a start: short and visible.
func Label(s string) bool { return len(s) <= MaxLabel && visible.Text(s) }

// Clip makes s visible.Text and at most most bytes long.
func Clip(s string, most int) string { return visible.Only(s[:min(len(s), most)]) }

// HostPort says whether s is an address that can be dialed.
func HostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(s) > MaxAddress || !visible.Text(s) {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// Addresses keeps the first MaxAddresses that are a HostPort and says how many it
// left out.
func Addresses(in []string) (kept []string, left int) {
	kept = make([]string, 0, min(len(in), MaxAddresses))
	for _, a := range in {
		if len(kept) < MaxAddresses && HostPort(a) {
			kept = append(kept, a)
		}
	}
	return kept, len(in) - len(kept)
}

// Time reads a moment; absent is the Unix epoch. A time outside the years 1 to 9999
// is none: nothing that keeps it could write it down.
func Time(t *timestamppb.Timestamp) (at time.Time, ok bool) {
	return t.AsTime(), t == nil || t.IsValid()
}

// hexadecimal says whether s is a serial number or key id, or absent.
func hexadecimal(s string) bool {
	return len(s) <= MaxKeyID && strings.Trim(s, "0123456789abcdef") == ""
}
