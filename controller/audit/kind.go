package audit

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Level is how much attention an event deserves; a higher one deserves more.
type Level int

// Levels.
const (
	Info    Level = iota // somebody did what is done every day
	Notice               // somebody changed who may do what
	Warning              // somebody was refused, or something was given up
	Alert                // look into it: an attack looks like this
)

var levels = []string{"info", "notice", "warning", "alert"}

// String is the level as the API and exports show it.
func (l Level) String() string { return levels[min(max(l, Info), Alert)] }

// Levels lists the names of all levels, the lowest first.
func Levels() []string { return slices.Clone(levels) }

// ParseLevel reads a name; an unknown one is Info.
func ParseLevel(s string) Level { return Level(max(slices.Index(levels, s), 0)) }

// Kind says what events of an action are: the words and the level that people see are made
// from it, never from the text of an event.
type Kind struct {
	Title string // a sentence without its object: "Enrollment token created"
	Level Level
}

var kinds = map[Action]Kind{
	TokenCreate:      {"Enrollment token created", Info},
	TokenRevoke:      {"Enrollment token revoked", Notice},
	Enroll:           {"Enrolled", Notice},
	HostContest:      {"Host contested: a second machine tried its token", Alert},
	HostCloned:       {"Host cloned: two machines use its key", Alert},
	HostRenew:        {"Host certificate renewed", Info},
	RequestCreate:    {"Enrollment requested", Info},
	RequestDeny:      {"Enrollment request denied", Notice},
	RequestApprove:   {"Enrollment request approved", Notice},
	RequestWithdraw:  {"Enrollment request withdrawn by its host", Info},
	ClaimOpen:        {"Link to an enrollment token opened", Info},
	ClaimRefuse:      {"Link to an enrollment token refused", Warning},
	MemberRevoke:     {"Revoked", Notice},
	MemberUpdate:     {"Changed", Notice},
	HostUpdate:       {"Host changed", Notice},
	NetworkCreate:    {"Network created", Notice},
	NetworkUpdate:    {"Network changed", Notice},
	NetworkDelete:    {"Network deleted", Notice},
	ResourceCreate:   {"Resource created", Notice},
	ResourceUpdate:   {"Resource changed", Notice},
	ResourceDelete:   {"Resource deleted", Notice},
	GrantCreate:      {"Grant created", Notice},
	GrantUpdate:      {"Grant changed", Notice},
	GrantDelete:      {"Grant deleted", Notice},
	PolicyTestCreate: {"Policy test created", Notice},
	PolicyTestUpdate: {"Policy test changed", Notice},
	PolicyTestDelete: {"Policy test deleted", Notice},
	SVIDAnchor:       {"SVID renewals of an hour counted and hashed", Info},
	LogArchive:       {"Oldest events removed by retention, their hashes kept", Notice},
	SessionOpen:      {"Session with a connector", Info},
	ProofRefuse:      {"Proof of identity refused on a live connection", Alert},
	PolicyIssue:      {"Policy revision published", Info},
	Restore:          {"Controller restored from a backup", Alert},
	BackUp:           {"Backup made", Info},
	RecoveryInit:     {"Recovery key made", Notice},
	TimelineBegin:    {"New timeline begun by a restored controller", Alert},
	DenialsReturn:    {"Revocations given back by a connector", Warning},
	DenialsCollect:   {"Restored controller admits members again", Notice},
	WitnessReset:     {"Witness reset on a connector", Warning},
	RefusalsMany:     {"Refusals counted together", Warning},
	AttentionDismiss: {"Item of Attention dismissed", Info},
	AdminSignIn:      {"Call of the admin API", Info},
	SignIn:           {"Signed in", Info},
	SignOut:          {"Signed out", Info},
	StepUp:           {"Signed in again for a sensitive change", Info},
	DeviceApprove:    {"Command line signed in", Notice},
	DeviceDeny:       {"Sign-in of a command line denied", Warning},
	SessionRevoke:    {"Session ended by somebody else", Notice},
	PersonCreate:     {"Person added", Notice},
	PersonUpdate:     {"Person changed", Notice},
	PersonDelete:     {"Person deleted", Notice},
	PersonReset:      {"Sign-in of a person reset", Notice},
	PersonSetup:      {"Person set up their sign-in", Info},
	PersonSetupLink:  {"Set-up link made", Notice},
	PersonPassword:   {"Password changed", Notice},
	PersonTOTPOn:     {"Second factor turned on", Notice},
	PersonTOTPOff:    {"Second factor turned off", Warning},
	PersonRecovery:   {"Recovery code used", Warning},
	OwnerReset:       {"Owner reset on the controller's host", Alert},
	SigningKeyMade:   {"Signing key made", Info},
	KeyCreate:        {"API key created", Notice},
	KeyUpdate:        {"API key changed", Notice},
	KeyRevoke:        {"API key revoked", Notice},
	KeyIssueToken:    {"Access token issued for an API key", Info},
	RotationStart:    {"CA rotation started", Notice},
	RotationPhase:    {"CA rotation reached its next phase", Info},
	RotationDrop:     {"CA rotation no longer waits for members", Warning},
	RotationPause:    {"CA rotation paused", Notice},
	RotationResume:   {"CA rotation resumed", Notice},
	RotationAbort:    {"CA rotation aborted", Warning},
	RotationEnd:      {"CA rotation finished", Notice},
	BootstrapStart:   {"Replacement of the bootstrap CA started", Notice},
	BootstrapPhase:   {"Replacement of the bootstrap CA reached its next phase", Info},
	BootstrapSkip:    {"Replacement of the bootstrap CA no longer waits for hosts", Warning},
	BootstrapAbort:   {"Replacement of the bootstrap CA aborted", Warning},
	BootstrapEnd:     {"Replacement of the bootstrap CA finished", Notice},
}

// Actions lists all actions, by name.
func Actions() []Action { return slices.Sorted(maps.Keys(kinds)) }

// KindOf is the Kind of an action.
func KindOf(a Action) (k Kind, known bool) {
	k, known = kinds[a]
	return k, known
}

// Title is what happened, in words. An action of another release has its own name.
func (e Event) Title() string {
	k, known := kinds[e.Action]
	switch {
	case !known:
		return string(e.Action)
	case e.Outcome == Denied:
		return k.Title + ": refused"
	default:
		return k.Title
	}
}

// Level is that of the action, and at least Warning for a refusal.
func (e Event) Level() Level {
	l := kinds[e.Action].Level
	if e.Outcome == Denied {
		l = max(l, Warning)
	}
	return l
}

// Count is how many equal events this one stands for.
func (e Event) Count() uint64 {
	var state struct {
		Count uint64 `json:"count"`
	}
	if !counts[e.Action] && e.Outcome != Denied || json.Unmarshal([]byte(e.After), &state) != nil {
		return 1
	}
	return max(state.Count, 1)
}

// counts are the actions that count though nobody was refused: what unknown callers do.
var counts = map[Action]bool{ClaimOpen: true, RequestCreate: true, RefusalsMany: true}

// Ref is the thing, or the person, that an event names.
type Ref struct {
	Kind string // "connector", "person"; empty if the text names no kind
	ID   string // empty for the only one of its kind
}

// The kinds of a Ref.
var refKinds = map[string]bool{
	"audit": true, "claim": true, "connector": true, "controller": true, "device": true, "grant": true, "host": true, "key": true, "local": true,
	"network": true, "person": true, "policy": true, "request": true, "resource": true, "rotation": true, "session": true, "signing_key": true,
	"spire": true, "token": true, "tunneler": true, "timeline": true,
}

// ParseRef reads an actor or a target: "connector/c-01", "person:p_1" or "spire". What
// names no kind is an ID without one.
func ParseRef(s string) Ref {
	kind, id := s, ""
	if at := strings.IndexAny(s, "/:"); at >= 0 {
		kind, id = s[:at], s[at+1:]
	}
	if !refKinds[kind] {
		return Ref{ID: s}
	}
	return Ref{Kind: kind, ID: id}
}

// ActorRef is who did it.
func (e Event) ActorRef() Ref { return ParseRef(e.Actor) }

// TargetRef is what it was done to.
func (e Event) TargetRef() Ref { return ParseRef(e.Target) }
