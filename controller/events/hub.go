package events

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Kind is what sort of thing changed.
type Kind string

// Kinds of events.
const (
	Connector  Kind = "connector"
	Tunneler   Kind = "tunneler"
	Host       Kind = "host"
	Network    Kind = "network"
	Resource   Kind = "resource"
	Grant      Kind = "grant"
	PolicyTest Kind = "policy-test"
	Token      Kind = "token"
	Request    Kind = "request"
	Rotation   Kind = "rotation"
	Audit      Kind = "audit"
	Person     Kind = "person"
	Key        Kind = "key"
)

// Kinds lists all kinds.
func Kinds() []Kind {
	return []Kind{Connector, Tunneler, Host, Network, Resource, Grant, PolicyTest, Token, Request, Rotation, Audit, Person, Key}
}

// Event says that a thing has changed.
type Event struct {
	Kind Kind
	// ID of the thing: of a connector, a token, …; empty for the audit log.
	ID string
	At time.Time
	// Change is one word on what happened, such as "ONLINE"; of Audit it is the action.
	Change string
	// Action is what the audit log recorded; of Audit only.
	Action audit.Action
}

// Limits of subscriptions.
const (
	MaxSubscriptions         = 256
	MaxSubscriptionsPerOwner = 8
	// Ring is how many events a reader may be behind.
	Ring = 2048
)

// Errors of subscriptions.
var (
	ErrTooMany = errors.New("too many open event streams")
	// ErrLost says that events since the last one read are gone: ask for everything.
	ErrLost = errors.New("events were lost")
)

// Hub hands events to its subscribers.
type Hub struct {
	now func() time.Time
	run string // is in each id, so that those of two runs differ

	mu     sync.Mutex
	ring   [Ring]Event
	next   uint64 // number of the next event; they begin at 1
	subs   map[*Subscription]struct{}
	owners map[string]int
}

// NewHub returns a Hub without events.
func NewHub(now func() time.Time) *Hub {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return &Hub{now: now, run: hex.EncodeToString(b[:]), next: 1, subs: map[*Subscription]struct{}{}, owners: map[string]int{}}
}

// Publish notifies all subscribers. It never blocks.
func (h *Hub) Publish(kind Kind, id, change string) {
	e := Event{Kind: kind, ID: id, Change: change}
	if kind == Audit {
		e.Action = audit.Action(change)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e.At = h.now().UTC()
	h.ring[h.next%Ring] = e
	h.next++
	h.wake()
}

// wake needs h.mu.
func (h *Hub) wake() {
	for s := range h.subs {
		s.more.Wake()
	}
}

// Lose makes every reader that has begun, and every id that was given, get ErrLost.
func (h *Hub) Lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next += Ring + 1
	h.wake()
}

// Position is the id of the newest event, for Subscribe.
func (h *Hub) Position() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.position()
}

// position needs h.mu.
func (h *Hub) position() string { return fmt.Sprintf("%s-%d", h.run, h.next-1) }

// Subscription is one reader.
type Subscription struct {
	hub   *Hub
	owner string
	at    uint64 // number of the next event to read
	lost  bool
	more  topic.Hint
}

// Subscribe begins after the event with the id after; with "" it begins now. An id
// that is no longer, or never was, of this run makes the first Read return ErrLost.
// Errors: ErrTooMany.
func (h *Hub) Subscribe(owner, after string) (*Subscription, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) >= MaxSubscriptions || h.owners[owner] >= MaxSubscriptionsPerOwner {
		return nil, ErrTooMany
	}
	s := &Subscription{hub: h, owner: owner, at: h.next, more: topic.NewHint()}
	if after != "" {
		run, number, _ := strings.Cut(after, "-")
		n, err := strconv.ParseUint(number, 10, 64)
		s.lost = err != nil || run != h.run || n >= h.next
		if !s.lost {
			s.at = n + 1
		}
	}
	h.subs[s] = struct{}{}
	h.owners[owner]++
	s.more.Wake() // there may be some already
	return s, nil
}

// More has a value when there may be something to read.
func (s *Subscription) More() <-chan struct{} { return s.more }

// Read returns the events since the last call and the id of the newest one, for
// Subscribe. After ErrLost it continues with what happens from then on.
func (s *Subscription) Read() (out []Event, id string, err error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	id = h.position()
	if s.lost || h.next-s.at > Ring {
		s.lost, s.at = false, h.next
		return nil, id, ErrLost
	}
	for ; s.at < h.next; s.at++ {
		out = append(out, h.ring[s.at%Ring])
	}
	return out, id, nil
}

// Close ends the subscription.
func (s *Subscription) Close() {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.subs[s]; !ok {
		return
	}
	delete(h.subs, s)
	if h.owners[s.owner]--; h.owners[s.owner] == 0 {
		delete(h.owners, s.owner)
	}
}
