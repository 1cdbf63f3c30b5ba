package attention

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Kind is what an item is about.
type Kind string

// The kinds, the gravest first.
const (
	Refusing    Kind = "refusing"     // a connector refuses this controller's policy
	Cloned      Kind = "cloned"       // two machines use one host key
	Contested   Kind = "contested"    // a second key tried a host's enrollment token
	Certificate Kind = "certificate"  // the dashboard's own ends
	Bootstrap   Kind = "bootstrap_ca" // it ends, or its replacement is held up
	Rotation    Kind = "rotation"     // of the CA; it is held up
	Outdated    Kind = "outdated"     // a member speaks another protocol
	Offline     Kind = "offline"      // connectors that were here
	Export      Kind = "audit_export" // a receiver of the audit log takes nothing
	Recovery    Kind = "recovery_key" // there is none
	Approvals   Kind = "approvals"    // hosts wait for a decision
)

// Kinds lists all kinds, the gravest first.
func Kinds() []Kind {
	return []Kind{Refusing, Cloned, Contested, Certificate, Bootstrap, Rotation, Outdated, Offline, Export, Recovery, Approvals}
}

// Severity says how soon somebody has to look.
type Severity string

// Severities. What is Critical lets somebody in who should not be, or keeps out who
// should be in.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
)

// Item is one thing that an operator has to look into.
type Item struct {
	// ID is of this state of the thing: it changes with it.
	ID   string
	Kind Kind
	// Subject is "connector/<id>" or "tunneler/<id>", the name of a receiver, or empty.
	Subject  string
	Severity Severity
	// Since is when it began; zero if that is not known.
	Since time.Time
	// Found says what is wrong, Do what to do.
	Found, Do string

	// state is what makes it another item although kind and subject are the same.
	state string
}

// name gives the item its ID.
func (it Item) name() Item {
	sum := sha256.Sum256([]byte(strings.Join([]string{string(it.Kind), it.Subject, it.state}, "\x00")))
	it.ID = hex.EncodeToString(sum[:12])
	return it
}

// sorted puts the gravest first, then the kinds in their order, then by subject.
func sorted(items []Item) []Item {
	kinds := Kinds()
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(
			cmp.Compare(a.Severity, b.Severity), // "critical" is before "warning"
			cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
			cmp.Compare(a.Subject, b.Subject),
		)
	})
	return items
}
