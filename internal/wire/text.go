package wire

import (
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// Printable says whether a terminal only draws s: valid UTF-8 without control
// characters and without those that change the direction of what follows.
func Printable(s string) bool {
	return !strings.ContainsFunc(s, unprintable)
}

func unprintable(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }

// Label says whether s is a version or the id of a start: short and printable.
func Label(s string) bool { return len(s) <= MaxLabel && Printable(s) }

// Clip makes s Printable and at most most bytes long.
func Clip(s string, most int) string {
	return strings.Map(func(c rune) rune {
		if unprintable(c) {
			return -1
		}
		return c
	}, s[:min(len(s), most)])
}

// HostPort says whether s is an address that can be dialed.
func HostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || len(s) > MaxAddress || !Printable(s) {
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
