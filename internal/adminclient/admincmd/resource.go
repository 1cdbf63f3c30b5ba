package admincmd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// exitNotFound is the exit code of each command for an id that nothing has. The help of
// grpccontroller says so.
const exitNotFound = 3

// resource is a kind of thing that the API lists.
type resource[T any] struct {
	singular, plural string
	// statuses are the values of --status, none if the list has no such filter; labels says
	// that it has --label.
	statuses []string
	labels   bool
	// silent says that the stream of events has none of this kind.
	silent bool
	list   func(*adminclient.Client, context.Context, adminclient.ListOptions) ([]T, error)
	one    func(*adminclient.Client, context.Context, string) (T, error)
	id     func(T) string
	// matches says whether a thing belongs into the list of these options; nil is always.
	matches func(T, adminclient.ListOptions) bool
	table   func([]T, time.Time) cli.Table
	// wide are further columns: their headers, and the cells of a thing.
	wide  []string
	cells func(T) []string
}

// selection is what a command shows.
type selection struct {
	ids   []string // none for the list
	opts  adminclient.ListOptions
	out   cli.Output
	watch bool
}

// kind is a resource of any type.
type kind interface {
	names() (singular, plural string)
	filters() (statuses []string, labels bool)
	// watched says whether the stream of events has changes of this kind.
	watched() bool
	// show prints what is selected.
	show(ctx context.Context, api *adminclient.Client, w io.Writer, s selection) error
	// follow prints what is selected and then each thing that changes, until ctx ends.
	follow(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, s selection) error
	// known lists the ids, each with what distinguishes it from the others.
	known(ctx context.Context, api *adminclient.Client) ([]string, error)
}

func (r resource[T]) names() (singular, plural string) { return r.singular, r.plural }

func (r resource[T]) filters() (statuses []string, labels bool) { return r.statuses, r.labels }

func (r resource[T]) watched() bool { return !r.silent }

func (r resource[T]) show(ctx context.Context, api *adminclient.Client, w io.Writer, s selection) error {
	items, err := r.fetch(ctx, api, s)
	if err != nil {
		return err
	}
	var value any = items
	if len(s.ids) == 1 {
		value = items[0]
	}
	return s.out.Write(w, value, func(w io.Writer) error { return r.write(w, items, s.out) })
}

// fetch reads what is selected.
func (r resource[T]) fetch(ctx context.Context, api *adminclient.Client, s selection) ([]T, error) {
	if len(s.ids) == 0 {
		return r.list(api, ctx, s.opts)
	}
	items := make([]T, 0, len(s.ids))
	for _, id := range s.ids {
		it, err := r.one(api, ctx, id)
		if err != nil {
			return nil, explainUnknown(err, r.singular, "get "+r.plural, id)
		}
		items = append(items, it)
	}
	return items, nil
}

// write prints for people, and the names for scripts.
func (r resource[T]) write(w io.Writer, items []T, out cli.Output) error {
	if out.String() == cli.OutputName {
		for _, it := range items {
			if _, err := fmt.Fprintln(w, r.singular+"/"+r.id(it)); err != nil {
				return err
			}
		}
		return nil
	}
	return writeTable(w, r.layout(items, out, time.Now()))
}

func (r resource[T]) layout(items []T, out cli.Output, now time.Time) cli.Table {
	t := r.table(items, now)
	if out.String() != cli.OutputWide {
		return t
	}
	t.Header = append(slices.Clone(t.Header), r.wide...)
	for i, it := range items {
		t.Rows[i] = append(slices.Clone(t.Rows[i]), r.cells(it)...)
	}
	return t
}

func (r resource[T]) known(ctx context.Context, api *adminclient.Client) ([]string, error) {
	items, err := r.list(api, ctx, adminclient.ListOptions{})
	if err != nil || len(items) == 0 {
		return nil, err
	}
	t := r.table(items, time.Now())
	out := make([]string, 0, len(items))
	for i, it := range items {
		out = append(out, cobra.CompletionWithDesc(r.id(it), cli.Printable(t.Rows[i][1])))
	}
	return out, nil
}

// follow begins with the stream of events, so that nothing is missed between the list
// and the first event. Once it has begun the controller may be away: it continues where it was.
func (r resource[T]) follow(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, s selection) error {
	p := printer[T]{resource: r, api: api, w: cmd.OutOrStdout(), gone: cmd.OutOrStdout(), s: s}
	if o := s.out.String(); o != cli.OutputTable && o != cli.OutputWide {
		p.gone = cmd.ErrOrStderr() // a program reads the output
	}
	last, received := "", time.Now()
	for {
		var err error
		last, err = api.Events(ctx, last, func() error {
			received = time.Now()
			return p.begin(ctx)
		}, func(e adminclient.Event) error {
			received = time.Now()
			return p.take(ctx, e)
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // this is how it ends
		}
		if p.failed != nil {
			return p.failed
		}
		if !p.begun || refused(err) || time.Since(received) > silenceLimit {
			return err
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// printer prints what changes.
type printer[T any] struct {
	resource[T]
	api *adminclient.Client
	w   io.Writer
	s   selection

	gone io.Writer // for what is gone

	begun  bool
	shown  map[string]bool // ids of what is in the list as it was printed
	widths []int
	failed error // of what was read after an event, or of the output
}

// begin prints what there is, once: after a break the events since then come.
func (p *printer[T]) begin(ctx context.Context) error {
	if p.begun {
		return nil
	}
	return p.whole(ctx)
}

func (p *printer[T]) whole(ctx context.Context) error {
	items, err := p.fetch(ctx, p.api, p.s)
	if err != nil {
		return p.fails(err)
	}
	header := !p.begun
	p.begun, p.shown = true, map[string]bool{}
	for _, it := range items {
		p.shown[p.id(it)] = true
	}
	return p.print(items, header)
}

// fails notes an error that is the end; if the controller is only away it is not.
func (p *printer[T]) fails(err error) error {
	if !away(err) {
		p.failed = err
	}
	return err
}

// print is lines, whose error is the end.
func (p *printer[T]) print(items []T, header bool) error {
	p.failed = p.lines(items, header)
	return p.failed
}

// take prints a thing that has changed.
func (p *printer[T]) take(ctx context.Context, e adminclient.Event) error {
	if e.Kind == adminclient.EventReset {
		return p.whole(ctx)
	}
	if e.Kind != p.singular || len(p.s.ids) > 0 && !slices.Contains(p.s.ids, e.ID) {
		return nil
	}
	it, err := p.one(p.api, ctx, e.ID)
	switch {
	case isNotFound(err):
		delete(p.shown, e.ID)
		_, p.failed = fmt.Fprintf(p.gone, "%s/%s is gone\n", p.singular, cli.Printable(e.ID))
		return p.failed
	case err != nil:
		return p.fails(err)
	}
	before, now := p.shown[e.ID], p.wanted(it)
	if p.shown[e.ID] = now; !now {
		delete(p.shown, e.ID)
	}
	if before || now { // what leaves the list is printed as it is now
		return p.print([]T{it}, false)
	}
	return nil
}

// wanted says whether a thing belongs into what is shown.
func (p *printer[T]) wanted(it T) bool {
	return len(p.s.ids) > 0 || p.matches == nil || p.matches(it, p.s.opts)
}

// lines prints things, one a line.
func (p *printer[T]) lines(items []T, header bool) error {
	switch p.s.out.String() {
	case cli.OutputJSON:
		for _, it := range items {
			if err := cli.WriteJSON(p.w, it, ""); err != nil {
				return err
			}
		}
		return nil
	case cli.OutputYAML:
		for _, it := range items {
			if _, err := io.WriteString(p.w, "---\n"); err != nil {
				return err
			}
			if err := p.s.out.Write(p.w, it, nil); err != nil {
				return err
			}
		}
		return nil
	case cli.OutputName:
		return p.write(p.w, items, p.s.out)
	}
	t := p.layout(items, p.s.out, time.Now())
	rows := t.Rows
	if header {
		rows = append([][]string{t.Header}, rows...)
	}
	if p.widths == nil {
		p.widths = make([]int, len(t.Header))
		for _, row := range append([][]string{t.Header}, t.Rows...) {
			for i, cell := range row {
				p.widths[i] = max(p.widths[i], len([]rune(cli.Printable(cell))))
			}
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&b, "%-*s  ", p.widths[i], cli.Printable(cell))
		}
		if _, err := fmt.Fprintln(p.w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

func isNotFound(err error) bool {
	return statusIs(err, func(s int) bool { return s == http.StatusNotFound })
}

// refused says that the API has answered, and that to ask again is no use.
func refused(err error) bool {
	return statusIs(err, func(s int) bool { return s < http.StatusInternalServerError })
}

// away says that the controller could not be asked.
func away(err error) bool { return err != nil && !statusIs(err, func(int) bool { return true }) }
