package access

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a connector's host may have no database of time zones
)

// MaxWindows is how many windows a schedule may have.
const MaxWindows = 16

const (
	day  = 24 * 60 // minutes
	week = 7 * day
)

// Schedule says at which hours of a week, on the clocks of a time zone, something holds:
// an instant is in it if what a clock on the wall shows then is. An hour that a clock skips
// in spring is in no window, and one that it shows twice in autumn is in a window both times.
// The zero Schedule is always.
type Schedule struct {
	zone    *time.Location
	windows []window // sorted, each once
	spans   []span   // what they cover, sorted and joined
}

// window is one line of a schedule.
type window struct {
	days     uint8 // bit 0 is Monday
	from, to int   // minutes of a day; if to is not after from, it is of the next day
}

// span is minutes of a week that begins on Monday, from inclusive to exclusive.
type span struct{ from, to int }

// Zones loads each time zone once. Its zero value is ready; it is safe for concurrent use.
type Zones struct {
	mu     sync.Mutex
	loaded map[string]*time.Location
}

// maxZones is more than there are.
const maxZones = 1024

var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$`)

// Load returns a time zone by its name in the IANA database, such as Europe/Berlin.
// "Local" is refused: it means another one on each host.
func (z *Zones) Load(name string) (*time.Location, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if at, ok := z.loaded[name]; ok {
		return at, nil
	}
	if !zoneName.MatchString(name) || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone: write one such as Europe/Berlin or UTC", short(name))
	}
	at, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no time zone that is known here: write one such as Europe/Berlin or UTC", short(name))
	}
	if z.loaded == nil || len(z.loaded) >= maxZones {
		z.loaded = map[string]*time.Location{}
	}
	z.loaded[name] = at
	return at, nil
}

// errNoZone is a window without a time zone.
var errNoZone = errors.New("is missing: a window needs the time zone of its hours, such as Europe/Berlin or UTC")

// ParseSchedule reads windows such as "mon-fri 08:00-18:00", "sat,sun 10:00-14:00" or
// "mon 22:00-06:00", which ends on Tuesday. Neither windows nor a time zone is the zero
// Schedule. Errors: a *FieldError for each field that is at fault, joined.
func ParseSchedule(zones *Zones, zone string, texts []string) (s Schedule, err error) {
	if zone == "" && len(texts) == 0 {
		return s, nil
	}
	var faults []error
	if zone == "" {
		faults = append(faults, &FieldError{Field: "time_zone", Err: errNoZone})
	} else if s.zone, err = zones.Load(zone); err != nil {
		faults = append(faults, &FieldError{Field: "time_zone", Err: err})
	}
	faults = append(faults, checkCount("windows", len(texts), MaxWindows, "window, such as mon-fri 08:00-18:00,"))
	for i, text := range texts[:min(len(texts), MaxWindows)] {
		w, err := parseWindow(text)
		if err != nil {
			faults = append(faults, &FieldError{Field: fmt.Sprintf("windows[%d]", i), Err: err})
			continue
		}
		s.windows = append(s.windows, w)
	}
	if err := errors.Join(faults...); err != nil {
		return Schedule{}, err
	}
	slices.SortFunc(s.windows, func(a, b window) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.days, b.days))
	})
	s.windows = slices.Compact(s.windows)
	s.spans = spansOf(s.windows)
	return s, nil
}

// TimeZone is the name of the time zone; empty for the zero Schedule.
func (s Schedule) TimeZone() string {
	if s.zone == nil {
		return ""
	}
	return s.zone.String()
}

// Windows are the windows in their only spelling.
func (s Schedule) Windows() (texts []string) {
	for _, w := range s.windows {
		texts = append(texts, w.String())
	}
	return texts
}

// Equal says whether two schedules are written the same.
func (s Schedule) Equal(o Schedule) bool {
	return s.TimeZone() == o.TimeZone() && slices.Equal(s.windows, o.windows)
}

// Holds says whether an instant is in the schedule, and until when at least it stays so:
// zero if it always does. One has to ask again at that instant, at which it may continue.
func (s Schedule) Holds(now time.Time) (until time.Time, ok bool) {
	if s.always() {
		return time.Time{}, true
	}
	now = now.Round(0) // an end is a time on the clock
	begin := now
	for range 16 { // more than there are spans in a week, or changes of a zone near it
		end, ok := s.spanAt(now)
		if !ok {
			break
		}
		now = end
	}
	return now, now.After(begin)
}

func (s Schedule) always() bool {
	return s.zone == nil || len(s.spans) == 1 && s.spans[0] == span{0, week}
}

// spanAt is when the span ends that now is in, or the clocks of the zone change before.
func (s Schedule) spanAt(now time.Time) (end time.Time, ok bool) {
	local := now.In(s.zone)
	begins := time.Duration((int(local.Weekday())+6)%7*day+local.Hour()*60+local.Minute()) * time.Minute
	passed := begins + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	minute := int(begins / time.Minute)
	i, found := slices.BinarySearchFunc(s.spans, minute, func(s span, minute int) int {
		switch {
		case s.to <= minute:
			return -1
		case s.from > minute:
			return 1
		}
		return 0
	})
	if !found {
		return time.Time{}, false
	}
	end = now.Add(time.Duration(s.spans[i].to)*time.Minute - passed)
	if _, changes := local.ZoneBounds(); !changes.IsZero() && changes.Before(end) {
		end = changes
	}
	return end.UTC(), true
}

// dayNames begin with Monday, as spans do.
var dayNames = [7]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func parseWindow(text string) (w window, err error) {
	days, hours, ok := strings.Cut(text, " ")
	from, to, ok2 := strings.Cut(hours, "-")
	if !ok || !ok2 {
		return w, fmt.Errorf("%q is no window: write days and hours, such as mon-fri 08:00-18:00", short(text))
	}
	for part := range strings.SplitSeq(days, ",") {
		some, err := parseDays(part)
		if err != nil {
			return w, err
		}
		w.days |= some
	}
	if w.from, err = parseClock(from); err != nil {
		return w, err
	}
	if w.to, err = parseClock(to); err != nil {
		return w, err
	}
	if w.from == w.to || w.from == day {
		return w, fmt.Errorf("%q has no length: a whole day is 00:00-24:00", short(text))
	}
	return w, nil
}

// parseDays reads mon or mon-fri; sat-mon goes over the end of the week.
func parseDays(text string) (days uint8, err error) {
	first, last, ranged := strings.Cut(text, "-")
	if !ranged {
		last = first
	}
	i, j := slices.Index(dayNames[:], first), slices.Index(dayNames[:], last)
	if i < 0 || j < 0 {
		return 0, fmt.Errorf("%q is no day: write mon, tue, wed, thu, fri, sat or sun, or a range such as mon-fri", short(text))
	}
	for ; ; i = (i + 1) % 7 {
		days |= 1 << i
		if i == j {
			return days, nil
		}
	}
}

// parseClock reads 08:00, at most 24:00.
func parseClock(text string) (minute int, err error) {
	bad := fmt.Errorf("%q is no time of day: write two digits each, such as 08:00", short(text))
	if len(text) != 5 || text[2] != ':' {
		return 0, bad
	}
	for _, i := range []int{0, 1, 3, 4} {
		if text[i] < '0' || text[i] > '9' {
			return 0, bad
		}
	}
	hour, _ := strconv.Atoi(text[:2]) // two digits
	minute, _ = strconv.Atoi(text[3:])
	if minute > 59 || hour*60+minute > day {
		return 0, bad
	}
	return hour*60 + minute, nil
}

// String is the only spelling of a window.
func (w window) String() string {
	var days []string
	for i := 0; i < 7; i++ {
		if w.days&(1<<i) == 0 {
			continue
		}
		j := i
		for j < 6 && w.days&(1<<(j+1)) != 0 {
			j++
		}
		span := dayNames[i]
		if j > i {
			span += "-" + dayNames[j]
		}
		days = append(days, span)
		i = j
	}
	return fmt.Sprintf("%s %02d:%02d-%02d:%02d", strings.Join(days, ","), w.from/60, w.from%60, w.to/60, w.to%60)
}

// spansOf are the minutes of the week that windows cover.
func spansOf(windows []window) []span {
	var all []span
	for _, w := range windows {
		length := w.to - w.from
		if length < 0 {
			length += day
		}
		for i := range 7 {
			if w.days&(1<<i) == 0 {
				continue
			}
			s := span{i*day + w.from, i*day + w.from + length}
			if s.to > week { // from Sunday to Monday
				all = append(all, span{0, s.to - week})
				s.to = week
			}
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	out := all[:0]
	for _, s := range all {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}
