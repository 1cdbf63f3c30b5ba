package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

func schedule(t testing.TB, zone string, windows ...string) access.Schedule {
	t.Helper()
	s, err := access.ParseSchedule(new(access.Zones), zone, windows)
	require.NoError(t, err)
	return s
}

// at reads a time of an RFC 3339 text.
func at(t testing.TB, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return when
}

func TestASchedule(t *testing.T) {
	t.Parallel()
	const berlin = "Europe/Berlin"
	for name, tc := range map[string]struct {
		zone    string
		windows []string
		now     string
		until   string // empty: it does not hold
	}{
		"inside":                             {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-04T12:00:00+01:00", "2026-03-04T18:00:00+01:00"},
		"at its first instant":               {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-04T08:00:00+01:00", "2026-03-04T18:00:00+01:00"},
		"before it":                          {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-04T07:59:59.999999999+01:00", ""},
		"at its last instant":                {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-04T17:59:59.999999999+01:00", "2026-03-04T18:00:00+01:00"},
		"at its end":                         {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-04T18:00:00+01:00", ""},
		"on another day":                     {berlin, []string{"mon-fri 08:00-18:00"}, "2026-03-07T12:00:00+01:00", ""},
		"by the clock of its zone":           {"America/New_York", []string{"mon-fri 08:00-18:00"}, "2026-03-04T13:00:00Z", "2026-03-04T23:00:00Z"},
		"not by ours":                        {"America/New_York", []string{"mon-fri 08:00-18:00"}, "2026-03-04T12:00:00Z", ""},
		"by the day of its zone":             {"Pacific/Kiritimati", []string{"thu 00:00-02:00"}, "2026-03-04T10:30:00Z", "2026-03-04T12:00:00Z"},
		"half an hour from UTC":              {"Asia/Kolkata", []string{"wed 08:00-09:00"}, "2026-03-04T03:00:00Z", "2026-03-04T03:30:00Z"},
		"over midnight, before":              {berlin, []string{"mon 22:00-06:00"}, "2026-03-02T23:00:00+01:00", "2026-03-03T06:00:00+01:00"},
		"over midnight, after":               {berlin, []string{"mon 22:00-06:00"}, "2026-03-03T05:00:00+01:00", "2026-03-03T06:00:00+01:00"},
		"over midnight, the morning of it":   {berlin, []string{"mon 22:00-06:00"}, "2026-03-02T05:00:00+01:00", ""},
		"over the end of the week":           {berlin, []string{"sun 22:00-06:00"}, "2026-03-02T05:00:00+01:00", "2026-03-02T06:00:00+01:00"},
		"before the end of the week":         {berlin, []string{"sun 22:00-06:00"}, "2026-03-01T23:00:00+01:00", "2026-03-02T06:00:00+01:00"},
		"days that touch":                    {berlin, []string{"wed-thu 00:00-24:00"}, "2026-03-04T12:00:00+01:00", "2026-03-06T00:00:00+01:00"},
		"windows that overlap":               {berlin, []string{"wed 08:00-13:00", "wed 12:30-14:00"}, "2026-03-04T12:00:00+01:00", "2026-03-04T14:00:00+01:00"},
		"windows that touch":                 {berlin, []string{"wed 13:00-14:00", "wed 08:00-13:00"}, "2026-03-04T12:00:00+01:00", "2026-03-04T14:00:00+01:00"},
		"a weekend over the end of the week": {berlin, []string{"sat-mon 00:00-24:00"}, "2026-03-07T12:00:00+01:00", "2026-03-10T00:00:00+01:00"},
		// Clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.
		"an hour is skipped":                   {berlin, []string{"sun 01:00-05:00"}, "2026-03-29T01:30:00+01:00", "2026-03-29T05:00:00+02:00"},
		"the window begins in what is skipped": {berlin, []string{"sun 02:30-05:00"}, "2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"},
		"and not before":                       {berlin, []string{"sun 02:30-05:00"}, "2026-03-29T01:59:59+01:00", ""},
		"it ends in what is skipped":           {berlin, []string{"sun 01:00-02:30"}, "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"},
		"it is skipped as a whole":             {berlin, []string{"sun 02:15-02:45"}, "2026-03-29T03:15:00+02:00", ""},
		"an hour comes twice, both inside":     {berlin, []string{"sun 01:00-05:00"}, "2026-10-25T02:30:00+02:00", "2026-10-25T05:00:00+01:00"},
		"a window that comes twice, first":     {berlin, []string{"sun 02:15-02:45"}, "2026-10-25T02:30:00+02:00", "2026-10-25T02:45:00+02:00"},
		"between":                              {berlin, []string{"sun 02:15-02:45"}, "2026-10-25T02:50:00+02:00", ""},
		"a window that comes twice, second":    {berlin, []string{"sun 02:15-02:45"}, "2026-10-25T02:30:00+01:00", "2026-10-25T02:45:00+01:00"},
		"the clock goes back into no window":   {berlin, []string{"sun 02:30-04:00"}, "2026-10-25T02:45:00+02:00", "2026-10-25T02:00:00+01:00"},
		"the clock goes back out of none":      {berlin, []string{"sun 01:00-02:30"}, "2026-10-25T02:45:00+02:00", ""},
		"half an hour is skipped":              {"Australia/Lord_Howe", []string{"sun 01:00-02:15"}, "2026-10-04T01:30:00+10:30", "2026-10-04T02:30:00+11:00"},
		"a day is skipped":                     {"Pacific/Apia", []string{"thu-sat 00:00-24:00"}, "2011-12-29T12:00:00-10:00", "2012-01-01T00:00:00+14:00"},
		"a zone without changes":               {"UTC", []string{"wed 08:00-18:00"}, "2026-03-04T12:00:00Z", "2026-03-04T18:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			until, ok := schedule(t, tc.zone, tc.windows...).Holds(at(t, tc.now))
			require.Equal(t, tc.until != "", ok)
			if ok {
				require.Equal(t, at(t, tc.until).UTC(), until)
			}
		})
	}
}

func TestWhatAlwaysHoldsHasNoEnd(t *testing.T) {
	t.Parallel()
	for _, s := range []access.Schedule{{}, schedule(t, "Europe/Berlin", "mon-sun 00:00-24:00"), schedule(t, "UTC", "mon-fri 00:00-24:00", "sat-sun 20:00-19:00", "sat 00:00-20:00", "sun 19:00-21:00")} {
		until, ok := s.Holds(now)
		require.True(t, ok, s.Windows())
		require.True(t, until.IsZero(), s.Windows())
	}
}

func TestAScheduleHasOneSpelling(t *testing.T) {
	t.Parallel()
	s := schedule(t, "UTC", "sun,mon 10:00-12:00", "wed,tue,mon 08:00-18:00", "mon-wed 08:00-18:00", "fri-mon 08:00-18:00", "mon-sun 00:00-24:00")
	require.Equal(t, []string{"mon-sun 00:00-24:00", "mon-wed 08:00-18:00", "mon,fri-sun 08:00-18:00", "mon,sun 10:00-12:00"}, s.Windows())
	require.True(t, s.Equal(schedule(t, "UTC", s.Windows()...)))
}

// TestAnEndIsExact: for any schedule and instant it holds up to the end that it says, and
// what it says at the end is the naive answer of the clock on the wall.
func TestAnEndIsExact(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/Sao_Paulo", "Africa/Casablanca"}
	near := []string{"2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-03-08T07:00:00Z", "2026-10-03T15:30:00Z", "2011-12-30T10:00:00Z", "2026-02-14T02:00:00Z", "2026-03-22T02:00:00Z"}
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		texts := rapid.SliceOfN(rapid.Custom(window), 1, 4).Draw(t, "windows")
		s, err := access.ParseSchedule(new(access.Zones), zone, texts)
		require.NoError(t, err)
		place, err := time.LoadLocation(zone)
		require.NoError(t, err)
		begin, err := time.Parse(time.RFC3339, rapid.SampledFrom(near).Draw(t, "near"))
		require.NoError(t, err)
		now := begin.Add(time.Duration(rapid.IntRange(-3*24*60, 3*24*60).Draw(t, "minutes")) * time.Minute).Add(time.Duration(rapid.IntRange(0, 59_999).Draw(t, "ms")) * time.Millisecond)
		until, ok := s.Holds(now)
		require.Equal(t, naive(texts, now.In(place)), ok, "%s in %s", now, texts)
		if !ok || until.IsZero() {
			return
		}
		require.True(t, until.After(now))
		for i := range 50 { // it holds all the time until then
			between := now.Add(time.Duration(float64(until.Sub(now)) * float64(i) / 50))
			require.True(t, naive(texts, between.In(place)), "%s in %s", between, texts)
		}
		require.True(t, naive(texts, until.Add(-time.Nanosecond).In(place)))
		_, again := s.Holds(until)
		require.Equal(t, naive(texts, until.In(place)), again)
	})
}

func window(t *rapid.T) string {
	day := rapid.SampledFrom([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun", "mon-fri", "sat-sun", "mon-sun", "fri-mon", "mon,sun"}).Draw(t, "days")
	hour := rapid.SampledFrom([]string{"00:00-24:00", "01:00-02:00", "02:00-03:00", "02:15-02:45", "01:30-02:30", "02:30-03:30", "00:00-01:00", "22:00-02:30", "08:00-18:00", "18:00-08:00", "23:00-24:00", "03:00-02:00"}).Draw(t, "hours")
	return day + " " + hour
}

// naive reads the clock on the wall.
func naive(windows []string, local time.Time) bool {
	lists := map[string]string{"mon-fri": "mon tue wed thu fri", "sat-sun": "sat sun", "fri-mon": "fri sat sun mon", "mon-sun": "sun mon tue wed thu fri sat", "mon,sun": "mon sun"}
	on := func(days string, weekday time.Weekday) bool {
		day := strings.ToLower(weekday.String()[:3])
		return days == day || strings.Contains(lists[days], day)
	}
	clock := local.Format("15:04")
	for _, w := range windows {
		days, hours := w[:len(w)-12], w[len(w)-11:]
		from, to := hours[:5], hours[6:]
		today, yesterday := on(days, local.Weekday()), on(days, (local.Weekday()+6)%7)
		if from < to && today && clock >= from && clock < to || from > to && (today && clock >= from || yesterday && clock < to) {
			return true
		}
	}
	return false
}
