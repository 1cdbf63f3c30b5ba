package auth

import (
	"slices"
	"time"
)

// Permission is what one operation of the admin API needs. Which one that is, is
// said by the operation's row in webadmin/api.
type Permission string

// Permissions.
const (
	FleetRead      Permission = "fleet:read"
	FleetWrite     Permission = "fleet:write"
	TokensWrite    Permission = "tokens:write"
	RequestsDecide Permission = "requests:decide"
	MembersRevoke  Permission = "members:revoke"
	CARotate       Permission = "ca:rotate"
	AuditRead      Permission = "audit:read"
	PeopleManage   Permission = "people:manage"
	KeysManage     Permission = "keys:manage"
	SettingsRead   Permission = "settings:read"
	// AttentionDismiss hides what an operator has looked into.
	AttentionDismiss Permission = "attention:dismiss"
	// Self is had by every person who is signed in and by nobody else.
	Self Permission = "self"
)

// Permissions lists every permission there is.
func Permissions() []Permission {
	return []Permission{
		FleetRead, FleetWrite, TokensWrite, RequestsDecide, MembersRevoke, CARotate, AuditRead, PeopleManage, KeysManage, SettingsRead, AttentionDismiss, Self,
	}
}

// Known says whether p is one of Permissions.
func (p Permission) Known() bool { return slices.Contains(Permissions(), p) }

// Grantable says whether an API key may carry p: all but what a person does with their
// own account. A key gets what its maker has and nothing else (see Keys.Create).
func (p Permission) Grantable() bool { return p.Known() && p != Self }

// Scopes are the permissions that an API key may carry.
func Scopes() []Permission {
	return slices.DeleteFunc(Permissions(), func(p Permission) bool { return !p.Grantable() })
}

// forLogin says whether a command line that a person signed in has it. A token of
// hours in a file must not become a password, a person or a key of a year.
func (p Permission) forLogin() bool { return p.Grantable() && p != KeysManage && p != PeopleManage }

// Role is what a person is.
type Role string

// Roles, each with all permissions of those before it.
const (
	Auditor  Role = "auditor"
	Operator Role = "operator"
	Admin    Role = "admin"
	Owner    Role = "owner"
)

// Roles lists the roles, the weakest first.
func Roles() []Role { return []Role{Auditor, Operator, Admin, Owner} }

// Known says whether r is one of Roles.
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// Permissions are those of the role; an unknown role has none.
func (r Role) Permissions() []Permission {
	if !r.Known() {
		return nil
	}
	var out []Permission
	for _, has := range Roles() {
		switch has {
		case Auditor:
			out = append(out, FleetRead, AuditRead, SettingsRead, Self)
		case Operator:
			out = append(out, FleetWrite, TokensWrite, RequestsDecide, MembersRevoke, AttentionDismiss)
		case Admin:
			out = append(out, CARotate, KeysManage)
		case Owner:
			out = append(out, PeopleManage)
		}
		if has == r {
			break
		}
	}
	return out
}

// Kind is what sort of caller a Principal is.
type Kind string

// Kinds of callers.
const (
	KindPerson Kind = "person"
	KindKey    Kind = "key"
	KindLocal  Kind = "local"
)

// Principal is an authenticated caller of the admin API.
type Principal struct {
	Actor string // as in the audit log: "person:<id>", "key:<id>" or LocalActor
	Kind  Kind
	Name  string // for people to read
	// Role is that of a person, else empty.
	Role        Role
	Permissions []Permission
	// SessionID is public and not the cookie; empty for a key.
	SessionID string
	// StepUpUntil is until when the last re-authentication counts.
	StepUpUntil time.Time
}

// May says whether the caller has a permission. Nobody has the empty one.
func (p Principal) May(need Permission) bool {
	return need != "" && slices.Contains(p.Permissions, need)
}

// SteppedUp says whether the caller re-authenticated lately. A key always has: it
// is the only factor a program has, and is shown at every request. So has a local
// caller, whom the kernel names at every connection.
func (p Principal) SteppedUp(now time.Time) bool {
	return p.Kind == KindKey || p.Kind == KindLocal || now.Before(p.StepUpUntil)
}

// LocalActor is root of the controller's own host, or the controller's own user, in the
// audit log: the source of the event has its user and process.
const LocalActor = "local/root"

// Local is whoever owns the controller's host: they could read and change all that it
// has. They may do what an owner may, except what a person does with their own account.
func Local() Principal {
	return Principal{
		Actor: LocalActor, Kind: KindLocal, Name: "root on the controller's host",
		Permissions: slices.DeleteFunc(Owner.Permissions(), func(p Permission) bool { return p == Self }),
	}
}
