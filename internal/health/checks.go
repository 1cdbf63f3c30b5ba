package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// errUnset is the state of a declared check before its first result.
var errUnset = errors.New("no result yet")

// maxDetail bounds the detail of one check, in bytes.
const maxDetail = 512

// probeTimeout bounds the registered checks of one report, together.
const probeTimeout = 2 * time.Second

// Check is the state of one check.
type Check struct {
	Name   string    `json:"name"`
	OK     bool      `json:"ok"`
	Detail string    `json:"detail,omitempty"` // why it is not OK, or how it is while it is
	Since  time.Time `json:"since"`            // when OK last changed, UTC
}

// Report is the state of all checks, by name.
type Report struct {
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// Checks is a registry of named checks. The zero value is empty and usable.
type Checks struct {
	// Now is the clock of Check.Since; nil means time.Now. Set it before use.
	Now func() time.Time

	mu     sync.Mutex
	states map[string]Check
	probes map[string]func(context.Context) error
	says   map[string]func() string
}

// Declare adds checks that have no result yet. Names that exist stay as they are.
func (c *Checks) Declare(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if _, ok := c.states[name]; !ok {
			c.set(name, errUnset)
		}
	}
}

// Set pushes a result: nil is OK, else the error's text is the detail. It adds
// the check if nobody declared it.
func (c *Checks) Set(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(name, err)
}

// Register adds a check that each report pulls. The probe must end with its
// context and may be called by several reports at once.
func (c *Checks) Register(name string, probe func(ctx context.Context) error) {
	c.Declare(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probes == nil {
		c.probes = map[string]func(context.Context) error{}
	}
	c.probes[name] = probe
}

// Explain says how things are while the check is OK: what is left of an SVID, who
// is connected since when. It must return at once, and no secret. A later one
// replaces an earlier one.
func (c *Checks) Explain(name string, say func() string) {
	c.Declare(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.says == nil {
		c.says = map[string]func() string{}
	}
	c.says[name] = say
}

// Report runs the registered probes side by side and returns the state of all.
func (c *Checks) Report(ctx context.Context) Report {
	c.mu.Lock()
	probes := maps.Clone(c.probes)
	c.mu.Unlock()
	c.run(ctx, probes)
	return c.snapshot()
}

// Failing returns why the first of the named checks fails, nil when none does. It
// runs no probe but theirs; one that nobody declared fails.
func (c *Checks) Failing(ctx context.Context, names ...string) error {
	c.mu.Lock()
	probes := maps.Clone(c.probes)
	c.mu.Unlock()
	maps.DeleteFunc(probes, func(name string, _ func(context.Context) error) bool { return !slices.Contains(names, name) })
	c.run(ctx, probes)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if state, ok := c.states[name]; !ok {
			return fmt.Errorf("%s: %w", name, errUnset)
		} else if !state.OK {
			return fmt.Errorf("%s: %s", name, state.Detail)
		}
	}
	return nil
}

func (c *Checks) run(ctx context.Context, probes map[string]func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var g errgroup.Group
	for name, probe := range probes {
		g.Go(func() error {
			c.Set(name, probe(ctx))
			return nil
		})
	}
	_ = g.Wait() // probes report through Set
}

func (c *Checks) snapshot() Report {
	c.mu.Lock()
	r := Report{Ready: len(c.states) > 0, Checks: make([]Check, 0, len(c.states))}
	for _, name := range slices.Sorted(maps.Keys(c.states)) {
		check := c.states[name]
		r.Ready = r.Ready && check.OK
		r.Checks = append(r.Checks, check)
	}
	says := maps.Clone(c.says)
	c.mu.Unlock()
	for i := range r.Checks { // outside the lock: they take others
		if say := says[r.Checks[i].Name]; say != nil && r.Checks[i].OK {
			r.Checks[i].Detail = OneLine(say())
		}
	}
	return r
}

// set needs the lock.
func (c *Checks) set(name string, err error) {
	old, known := c.states[name]
	check := Check{Name: name, OK: err == nil, Since: old.Since}
	if err != nil {
		check.Detail = OneLine(err.Error())
	}
	if !known || old.OK != check.OK {
		check.Since = c.now().UTC()
	}
	if c.states == nil {
		c.states = map[string]Check{}
	}
	c.states[name] = check
}

func (c *Checks) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// OneLine bounds a text and takes out what a terminal or a log would obey: parts of
// it come from peers, in the messages of their errors.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), 4*maxDetail)])
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxDetail {
		return text
	}
	cut := maxDetail - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
