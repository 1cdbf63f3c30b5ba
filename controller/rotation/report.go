package rotation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Report is what an operator sees.
type Report struct {
	Authorities Authorities
	// Rotation is the unfinished one, else the last; nil before the first.
	Rotation *Rotation
	// Gate is what the unfinished rotation waits for now; nil when it does not.
	Gate *Gate
	// Automatic is set while SPIRE rotates by itself, as it does at half of an
	// authority's life.
	Automatic *Automatic
}

// Automatic is how far a rotation of SPIRE's own is, through the same gates. It
// waits for none of them.
type Automatic struct {
	Phase     Phase // Prepared or Active
	Authority string
	Gate      Gate
}

// Report looks at everything now.
func (m *Manager) Report(ctx context.Context) (Report, error) {
	var out Report
	r, err := m.cfg.Store.Rotation(ctx)
	if err != nil && !errors.Is(err, ErrNone) {
		return out, err
	}
	known := err == nil
	if known {
		out.Rotation = &r
	}
	if out.Authorities, err = m.cfg.SPIRE.Authorities(ctx); err != nil || out.Authorities.Upstream != "" {
		return out, err
	}
	if known && !r.Finished() {
		mv := plan(r.Replace, out.Authorities, m.cfg.Now())
		if g, _, err := m.gate(ctx, r, mv, out.Authorities); err != nil {
			return out, err
		} else if g.Total > 0 {
			out.Gate = &g
		}
		return out, nil
	}
	out.Automatic, err = m.automatic(ctx, out.Authorities)
	return out, err
}

// Unfinished is the rotation that runs or paused, nil without one. It asks only the
// database.
func (m *Manager) Unfinished(ctx context.Context) (*Rotation, error) {
	r, err := m.cfg.Store.Rotation(ctx)
	switch {
	case errors.Is(err, ErrNone), err == nil && r.Finished():
		return nil, nil //nolint:nilnil // there is none, which is no error
	case err != nil:
		return nil, err
	}
	return &r, nil
}

// automatic recognizes what nobody here asked for.
func (m *Manager) automatic(ctx context.Context, a Authorities) (*Automatic, error) {
	old, used := a.alive(a.Old.ID, m.cfg.Now())
	if a.Prepared.ID == "" && !used {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	c, err := m.participants(ctx, Rotation{}, move{}) // when agents renewed is known of our own activations only
	if err != nil {
		return nil, err
	}
	if a.Prepared.ID != "" {
		return &Automatic{Prepared, a.Prepared.ID, mayActivate(a.Prepared.ID).examine(Rotation{}, c)}, nil
	}
	return &Automatic{Active, old.ID, mayRevoke(Rotation{}, old.ID, 0).examine(Rotation{}, c)}, nil
}

// Preview is what Start would do.
type Preview struct {
	Options Options
	// Replace are the authorities that would go, Reuse the one that SPIRE has
	// prepared already.
	Replace []string
	Reuse   string
	Steps   []string
	// Gate is the first wait as it stands: who is OFFLINE or does not trust Reuse.
	Gate Gate
}

// Preview changes nothing. Errors: as Start.
func (m *Manager) Preview(ctx context.Context, o Options) (Preview, error) {
	if err := o.Validate(); err != nil {
		return Preview{}, err
	}
	a, err := m.authorities(ctx)
	if err != nil {
		return Preview{}, err
	}
	if r, err := m.cfg.Store.Rotation(ctx); err == nil && !r.Finished() && !o.Emergency {
		return Preview{}, ErrRunning
	}
	now := m.cfg.Now()
	out := Preview{Options: o, Replace: replaced(o, a, now), Reuse: a.Prepared.ID}
	out.Steps = rehearse(out.Replace, a, now)
	if o.Emergency {
		return out, nil
	}
	r := Rotation{Options: o}
	c, err := m.participants(ctx, r, move{})
	if err != nil {
		return out, err
	}
	if out.Reuse == "" { // nobody can trust what is not made yet
		for _, p := range c.peers {
			out.Gate.check(r, p.String(), "")
		}
		for _, h := range c.missing {
			out.Gate.check(r, h.String(), h.why)
		}
		return out, nil
	}
	out.Gate = mayActivate(out.Reuse).examine(r, c)
	return out, nil
}

// rehearse plays a rotation on what SPIRE says now.
func rehearse(replace []string, a Authorities, now time.Time) []string {
	const fresh = "(new)"
	a.Bundle = slices.Clone(a.Bundle)
	var out []string
	for range 16 { // two rounds of four moves are the most there can be
		mv := plan(replace, a, now)
		switch mv.call {
		case callPrepare:
			out = append(out, "prepare a new authority")
			a.Prepared = Authority{ID: fresh}
		case callActivate:
			out = append(out, "activate "+mv.id+" once every online peer trusts it")
			a.Active, a.Old, a.Prepared = a.Prepared, a.Active, Authority{}
		case callTaint:
			out = append(out, "taint "+mv.id+", which makes agents replace what it signed")
			a.Bundle[a.index(mv.id)].Tainted = true
		case callRevoke:
			out = append(out, "revoke "+mv.id+" once no SVID or agent depends on it")
			a.Bundle = slices.Delete(a.Bundle, a.index(mv.id), a.index(mv.id)+1)
		case callNone:
			return append(out, "wait until no online peer trusts "+strings.Join(replace, " or ")+" any more")
		default:
			return out
		}
	}
	return out
}
