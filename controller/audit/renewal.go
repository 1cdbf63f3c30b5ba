package audit

import (
	"context"
	"crypto/sha256"
	"hash"
	"strconv"
	"time"
)

// KeepRenewals is how long a renewal is kept, at least.
const KeepRenewals = 30 * 24 * time.Hour

// Renewal is an SVID that a member proved to a controller: its first one, or one that SPIRE
// renewed. There are hundreds of thousands a day, so they have a table of their own; the log
// has one event an hour that counts and hashes them.
type Renewal struct {
	Seq  int64
	Time time.Time // when it was proved, in milliseconds
	// Member is "connector/c-01"; Serial is in hexadecimal, as SPIRE logs it.
	Member, Serial, Authority string
	NotAfter                  time.Time // in seconds, as in a certificate
}

// RenewalQuery chooses renewals, newest first. Empty fields choose all.
type RenewalQuery struct {
	Member, Serial, Authority string
	Since, Until              time.Time // Until is excluded
	// Oldest turns the order around.
	Oldest bool
	// After is the Next of the page before; 0 at the start.
	After int64
	Limit int
}

// RenewalWindow is how many renewals one page examines at most; see Window.
const RenewalWindow = 50_000

// RenewalPage is some renewals in the order of their query.
type RenewalPage struct {
	Renewals []Renewal
	Next     int64 // 0 after the last one
}

// Matches says whether r is one of the renewals that q chooses, apart from its page.
func (q RenewalQuery) Matches(r Renewal) bool {
	return matches(q.Member, r.Member) && matches(q.Serial, r.Serial) && matches(q.Authority, r.Authority) && within(q.Since, q.Until, r.Time)
}

// RenewalStore keeps renewals.
type RenewalStore interface {
	// AppendRenewals adds those whose serial is not the newest one of their member, in
	// one transaction, and returns how many those were. It sets no Seq.
	AppendRenewals(ctx context.Context, all []Renewal) (added int, err error)
}

// renewalTag begins the encoding of each renewal.
const renewalTag = "grpccontroller svid renewal v1"

// encode is the canonical encoding of r, in netstrings as in Event.Leaf: the tag, seq,
// time in milliseconds since 1970, member, serial, authority, the end of the certificate in
// seconds since 1970.
func (r Renewal) encode() []byte {
	return netstrings(renewalTag, strconv.FormatInt(r.Seq, 10), strconv.FormatInt(r.Time.UnixMilli(), 10),
		r.Member, r.Serial, r.Authority, strconv.FormatInt(r.NotAfter.Unix(), 10))
}

// renewalSum hashes renewals one after another: SHA-256 of all their encodings.
type renewalSum struct {
	h hash.Hash
	n int64
}

func newRenewalSum() *renewalSum { return &renewalSum{h: sha256.New()} }

func (s *renewalSum) add(r Renewal) {
	_, _ = s.h.Write(r.encode()) // a hash takes everything
	s.n++
}
