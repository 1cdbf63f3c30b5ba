package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// A command line signs in by the device flow (RFC 8628): it asks, a person who is
// signed in at a browser approves, and it fetches its token.
const (
	// AskLife is how long an ask waits for its person.
	AskLife = 10 * time.Minute
	// DeviceInterval is how often a command line may ask whether it was approved.
	DeviceInterval = 5 * time.Second
	// LoginLife is how long the token is good, whatever its use.
	LoginLife = 8 * time.Hour

	longestInterval = time.Minute
	deviceCode      = "ztd_" // begins the code with which the command line asks
	loginPrefix     = "ztp_" // begins the token: what a person let a program do
)

// Nobody knows who asks, so what asks take is bounded: an address may ask asksBurst
// times, then once per askEvery, and an IPv6 network networkShare times as often. No ask
// takes the place of another one that waits: a network has perNetwork places, and one
// while more than roomy are taken, so that many networks are necessary to take them all.
// The next caller has to wait; a place is free after AskLife at the latest.
const (
	maxAsks    = 256
	roomy      = 192
	perNetwork = asksBurst
	asksBurst  = 20
	askEvery   = 10 * time.Second
	// networkShare is how many addresses of a network may ask as often as they like.
	networkShare = 5
	// A person may try guessesBurst codes, then one per guessEvery. With maxAsks codes of
	// 34 bits at once, a guess is right once in a hundred million.
	guessesBurst = 10
	guessEvery   = 6 * time.Second
)

// Errors of signing a command line in.
var (
	// ErrDeviceCode is for the person at the browser.
	ErrDeviceCode = errors.New("no command line waits with this code: it was used, has expired (after 10 minutes), or has a typing mistake")
	// The others are for the command line (RFC 8628 section 3.5).
	ErrDevicePending  = errors.New("the sign-in has not been approved yet")
	ErrDeviceSlowDown = errors.New("asked too often; wait five seconds longer each time")
	ErrDeviceDenied   = errors.New("the sign-in was denied, or ended before it began")
	ErrDeviceExpired  = errors.New("the code has expired, was used, or is unknown")
)

// DeviceAsk is a command line that waits. Host is what it says of itself.
type DeviceAsk struct {
	Host    string
	Source  string // address that it asked from
	AskedAt time.Time
	EndsAt  time.Time
}

// DeviceCodes are what a command line gets: one code for itself and one for its person.
type DeviceCodes struct {
	DeviceCode, UserCode string
}

// Login is a command line that is signed in.
type Login struct {
	Token   string
	Session Session
	Person  Person
}

// Devices signs command lines in. What waits is in memory only: a restart makes it
// begin again, and nobody without a credential writes to the database.
type Devices struct {
	*core
	asks     *sourcelimit.Limiter
	networks *sourcelimit.Keyed[netip.Prefix]
	guesses  *sourcelimit.Keyed[string]

	mu      sync.Mutex
	waiting map[string]*waiting // by the hash of the device code
}

func newDevices(k *core) *Devices {
	return &Devices{
		core: k, asks: sourcelimit.New(askEvery, asksBurst, k.Now), guesses: sourcelimit.NewIdentities(guessEvery, guessesBurst, k.Now),
		networks: sourcelimit.NewKeyed[netip.Prefix](askEvery/networkShare, asksBurst*networkShare, k.Now),
		waiting:  map[string]*waiting{},
	}
}

// waiting is an ask from its beginning to its token.
type waiting struct {
	DeviceAsk
	network  netip.Prefix
	hash     string
	userCode string
	state    decision
	session  string // of the person who approved it, once approved
	interval time.Duration
	polledAt time.Time
}

type decision int

const (
	undecided decision = iota
	deciding
	approved
	denied
)

// hostClaim is what a host can be called.
var hostClaim = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Ask begins. host may be empty. Errors: *FieldError, *TooManyError.
func (d *Devices) Ask(host, source string) (DeviceCodes, error) {
	if host != "" && !hostClaim.MatchString(host) {
		return DeviceCodes{}, fieldError("host_name", "must be a host name of at most 63 characters")
	}
	addr, _ := netip.ParseAddr(source)
	if !d.allow(addr) {
		return DeviceCodes{}, &TooManyError{RetryAfter: askEvery}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	d.forget(now)
	if !d.room(network(addr)) {
		return DeviceCodes{}, &TooManyError{RetryAfter: askEvery}
	}
	codes := DeviceCodes{DeviceCode: keys.NewSecret(deviceCode), UserCode: d.unusedCode()}
	w := &waiting{
		DeviceAsk: DeviceAsk{Host: host, Source: source, AskedAt: now, EndsAt: now.Add(AskLife)},
		network:   network(addr),
		hash:      string(keys.HashSecret(codes.DeviceCode)), userCode: codes.UserCode, interval: DeviceInterval,
	}
	d.waiting[w.hash] = w
	return codes, nil
}

// forget drops what has expired.
func (d *Devices) forget(now time.Time) {
	for hash, w := range d.waiting {
		if !now.Before(w.EndsAt) {
			delete(d.waiting, hash)
		}
	}
}

// network is the address, or the /48 that an IPv6 site may have whole (RFC 6177).
func network(a netip.Addr) netip.Prefix {
	p := sourcelimit.Bucket(a)
	if p.Addr().Is6() {
		p, _ = p.Addr().Prefix(48) // is within the length
	}
	return p
}

// allow counts an ask. A network is counted first, so that one with many addresses
// does not use up how many of them are counted apart, and an address that asks too often
// takes nothing from its neighbours.
func (d *Devices) allow(a netip.Addr) bool {
	if !d.networks.AllowKey(network(a)) {
		return false
	}
	if d.asks.Allow(a) {
		return true
	}
	d.networks.GiveBack(network(a))
	return false
}

// room says whether one more ask of a network may wait. Those that were denied need no
// place: their command lines learn the same if they are unknown.
func (d *Devices) room(from netip.Prefix) bool {
	if len(d.waiting) >= roomy {
		maps.DeleteFunc(d.waiting, func(_ string, w *waiting) bool { return w.state == denied })
	}
	mine := 0
	for _, w := range d.waiting {
		if w.network == from {
			mine++
		}
	}
	return mine == 0 && len(d.waiting) < maxAsks || mine < perNetwork && len(d.waiting) < roomy
}

// userAlphabet has no vowels, so that no code is a word, and no letters that look
// alike (RFC 8628 section 6.1).
const userAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

func (d *Devices) unusedCode() string {
	for {
		code := newUserCode()
		if d.byUserCode(code) == nil {
			return code
		}
	}
}

// newUserCode draws eight letters, 34 bits.
func newUserCode() string {
	var b [1]byte
	code := make([]byte, 0, 9)
	for len(code) < 9 {
		if len(code) == 4 {
			code = append(code, '-')
		}
		_, _ = rand.Read(b[:])                                   // crypto/rand.Read never fails; it aborts the program instead
		if int(b[0]) < 256/len(userAlphabet)*len(userAlphabet) { // every letter as likely as the others
			code = append(code, userAlphabet[int(b[0])%len(userAlphabet)])
		}
	}
	return string(code)
}

// parseUserCode reads what a person typed: in any case, with or without the hyphen.
func parseUserCode(typed string) string {
	var code []byte
	for _, r := range strings.ToUpper(typed) {
		if r == ' ' || r == '-' {
			continue
		}
		letter := strings.IndexRune(userAlphabet, r)
		if letter < 0 || len(code) == 9 {
			return ""
		}
		if len(code) == 4 {
			code = append(code, '-')
		}
		code = append(code, userAlphabet[letter])
	}
	return string(code)
}

func (d *Devices) byUserCode(code string) *waiting {
	for _, w := range d.waiting {
		if w.userCode == code {
			return w
		}
	}
	return nil
}

// guess finds an undecided ask by what a person typed, and counts the attempt.
// The caller holds the lock.
func (d *Devices) guess(p Person, typed string) (*waiting, error) {
	if !d.guesses.AllowKey(p.ID) {
		return nil, &TooManyError{RetryAfter: guessEvery}
	}
	w := d.byUserCode(parseUserCode(typed))
	if w == nil || w.state != undecided || !d.now().Before(w.EndsAt) {
		return nil, ErrDeviceCode
	}
	return w, nil
}

// Look says who waits with this code. Errors: ErrDeviceCode, *TooManyError.
func (d *Devices) Look(a Active, typed string) (DeviceAsk, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, err := d.guess(a.Person, typed)
	if err != nil {
		return DeviceAsk{}, err
	}
	return w.DeviceAsk, nil
}

// Approve signs the command line in as the person. Errors: ErrDeviceCode,
// *TooManyError, ErrSessionNotFound if the person was signed out meanwhile.
func (d *Devices) Approve(ctx context.Context, a Active, typed string, by By) (Session, error) {
	w, err := d.decide(a, typed)
	if err != nil {
		return Session{}, err
	}
	sess, err := d.open(ctx, a, w.DeviceAsk, by)
	if err != nil {
		d.settle(w, undecided, "")
		return Session{}, err
	}
	d.settle(w, approved, sess.ID)
	return sess, nil
}

// Deny sends the command line away. Errors: ErrDeviceCode, *TooManyError.
func (d *Devices) Deny(ctx context.Context, a Active, typed string, by By) error {
	w, err := d.decide(a, typed)
	if err != nil {
		return err
	}
	d.settle(w, denied, "")
	return d.record(ctx, d.Store.AuthRows(), by, audit.Event{Action: audit.DeviceDeny, Target: "device", After: describeAsk(w.DeviceAsk)})
}

// decide takes an ask out of the hands of all other decisions.
func (d *Devices) decide(a Active, typed string) (*waiting, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w, err := d.guess(a.Person, typed)
	if err == nil {
		w.state = deciding
	}
	return w, err
}

func (d *Devices) settle(w *waiting, s decision, session string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.state, w.session = s, session
}

// open makes the session of the command line. Whatever ends the sessions of a person
// ends it too, also before the command line has its token: nobody knows the secret of
// this row until Redeem gives it another.
func (d *Devices) open(ctx context.Context, a Active, ask DeviceAsk, by By) (Session, error) {
	now := d.now()
	sess := Session{
		ID: newID("ses_"), PersonID: a.Person.ID, Method: ByDevice, Source: ask.Source, UserAgent: ask.Host,
		CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(LoginLife), StepUpUntil: now.Add(LoginLife),
	}
	return sess, d.Store.AuthTx(ctx, func(tx Tx) error {
		if _, err := tx.SessionByID(ctx, a.Session.ID); err != nil {
			return err
		}
		if err := tx.DropSessions(ctx, now.Add(-time.Hour), now.Add(-SessionIdle-time.Hour)); err != nil {
			return err
		}
		if err := tx.InsertSession(ctx, sess, keys.HashSecret(keys.NewSecret(loginPrefix))); err != nil {
			return err
		}
		return d.record(ctx, tx, by, audit.Event{Action: audit.DeviceApprove, Target: "session/" + sess.ID, After: describeAsk(ask)})
	})
}

// describeAsk is an ask in the audit log.
func describeAsk(a DeviceAsk) string {
	return audit.State(struct {
		Host    string    `json:"host_unverified,omitempty"`
		Source  string    `json:"source"`
		AskedAt time.Time `json:"asked_at"`
	}{a.Host, a.Source, a.AskedAt})
}
