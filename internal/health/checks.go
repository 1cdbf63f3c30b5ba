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
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// errUnset is the state of a declared check before its first result.
var errUnset = errors.New("no result yet")

// maxDetail bounds the detail of one check, in bytes.
const maxDetail = 512

// probeTimeout bounds the registered checks of one report, together.
const probeTimeout = 2 * time.Second

// Check is the state of one check: OK, degraded, or failing.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Degraded: it is not OK, and the program still does all of its work.
	Degraded bool      `json:"degraded,omitempty"`
	Detail   string    `json:"detail,omitempty"` // why it is not OK, or how it is while it is
	Since    time.Time `json:"since"`            // when the state last changed, UTC
}

// Failing says that the program does not do its work.
func (c Check) Failing() bool { return !c.OK && !c.Degraded }

// Report is the state of all checks, by name.
type Report struct {
	Ready bool `json:"ready"` // none is failing
	// Degraded: a check is.
	Degraded bool    `json:"degraded,omitempty"`
	Checks   []Check `json:"checks"`
}

// Degraded makes the result of a check that is not OK while the program does all of
// its work: somebody should look at it, and nobody should be sent elsewhere. It is nil
// for nil.
func Degraded(err error) error {
	if err == nil {
		return nil
	}
	return degraded{err}
}

type degraded struct{ error }

func (d degraded) Unwrap() error { return d.error }

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

// Set pushes a result: nil is OK, else the error's text is the detail; see Degraded.
// It adds the check if nobody declared it.
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
// runs no probe but theirs; one that is degraded does not fail, one that nobody
// declared does.
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
		} else if state.Failing() {
			return fmt.Errorf("%s: %s", name, state.Detail)
		}
	}
	return nil
}

func (c *Checks) run(asked context.Context, probes map[string]func(context.Context) error) {
	ctx, cancel := context.WithTimeout(asked, probeTimeout)
	defer cancel()
	var g errgroup.Group
	for name, probe := range probes {
		g.Go(func() error {
			// A caller that hung up must not change the answer of the others.
			if err := probe(ctx); asked.Err() == nil {
				c.Set(name, err)
			}
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
		r.Ready = r.Ready && !check.Failing()
		r.Degraded = r.Degraded || check.Degraded
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
	_, light := errors.AsType[degraded](err)
	check := Check{Name: name, OK: err == nil, Degraded: light, Since: old.Since}
	if err != nil {
		hint := ClockHint(err.Error(), c.now())
		check.Detail = oneLine(err.Error(), maxDetail-len(hint)) + hint
	}
	if !known || old.OK != check.OK || old.Degraded != check.Degraded {
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
func OneLine(text string) string { return oneLine(text, maxDetail) }

func oneLine(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !visible.Rune(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), 4*maxDetail)])
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	cut := most - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// followEvery is how often the registered probes run while nobody asks, so that
// Check.Since is when a state changed and not when it was asked for.
const followEvery = 5 * time.Second

// Follow runs the registered probes until ctx ends.
func (c *Checks) Follow(ctx context.Context) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.Report(ctx)
		}
	}
}

// WaitReady returns once a report is ready, or ctx ends. Each report that is not goes to
// notYet, which may be nil.
func (c *Checks) WaitReady(ctx context.Context, every time.Duration, notYet func(Report)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		r := c.Report(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.Ready {
			return nil
		}
		if notYet != nil {
			notYet(r)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
