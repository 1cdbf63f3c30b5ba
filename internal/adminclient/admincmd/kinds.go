package admincmd

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// kinds are all that "get" shows.
func kinds() []kind {
	return []kind{connectors(), tunnelers(), hosts(), networks(), resources(), grants(), policyTests(), tokens(), requests(), keys(), people(), sessions()}
}

// kindOf finds a kind by its name, in singular or plural.
func kindOf(name string) (kind, bool) {
	for _, k := range kinds() {
		if singular, plural := k.names(); name == singular || name == plural {
			return k, true
		}
	}
	return nil, false
}

func kindNames() (out []string) {
	for _, k := range kinds() {
		_, plural := k.names()
		out = append(out, plural)
	}
	return out
}

func fleetStatuses() []string { return []string{adminapi.Online, adminapi.Offline, adminapi.Revoked} }

// absolute is a time with its zone.
func absolute(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.RFC3339)
}

func labelText(l map[string]string) string {
	out := make([]string, 0, len(l))
	for _, k := range slices.Sorted(maps.Keys(l)) {
		out = append(out, k+"="+l[k])
	}
	return orDefault(strings.Join(out, ","), "-")
}

// hasLabels says whether each of these labels, with commas between them, is there.
func hasLabels(l map[string]string, want string) bool {
	if want == "" {
		return true
	}
	for one := range strings.SplitSeq(want, ",") {
		key, value, _ := strings.Cut(one, "=")
		if has, ok := l[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// inList says whether something of the fleet belongs into a list with these options.
func inList(status string, revokedAt time.Time, labels map[string]string, o adminclient.ListOptions) bool {
	status = shownStatus(status, revokedAt)
	right := status == o.Status || o.Status == "" && status != adminapi.Revoked
	return right && hasLabels(labels, o.Labels)
}

// shownStatus is the word of a table, which --status takes too.
func shownStatus(status string, revokedAt time.Time) string {
	if !revokedAt.IsZero() {
		return adminapi.Revoked
	}
	return status
}

// revokedNote says when access ended, and that an open stream or session has not ended yet.
func revokedNote(status string, at, now time.Time) string {
	note := "revoked " + relative(at, now)
	if status == adminapi.Online {
		note += ", still connected"
	}
	return note
}

func connectors() resource[adminapi.Connector] {
	return resource[adminapi.Connector]{
		singular: "connector", plural: "connectors", statuses: fleetStatuses(), labels: true,
		list: (*adminclient.Client).Connectors, one: (*adminclient.Client).Connector, id: func(m adminapi.Connector) string { return m.ID },
		matches: func(m adminapi.Connector, o adminclient.ListOptions) bool {
			return inList(m.Status, m.RevokedAt, m.Labels, o)
		},
		table: connectorTable,
		wide:  []string{"NAME", "NETWORK", "LABELS", "HOST", "ENROLLED", "SEEN"},
		cells: func(m adminapi.Connector) []string {
			return []string{orDefault(m.Name, "-"), m.NetworkID, labelText(m.Labels), m.HostID, absolute(m.EnrolledAt), absolute(m.LastSeen)}
		},
	}
}

func tunnelers() resource[adminapi.Tunneler] {
	return resource[adminapi.Tunneler]{
		singular: "tunneler", plural: "tunnelers", statuses: fleetStatuses(), labels: true,
		list: (*adminclient.Client).Tunnelers, one: (*adminclient.Client).Tunneler, id: func(m adminapi.Tunneler) string { return m.ID },
		matches: func(m adminapi.Tunneler, o adminclient.ListOptions) bool {
			return inList(m.Status, m.RevokedAt, m.Labels, o)
		},
		table: tunnelerTable,
		wide:  []string{"NAME", "LABELS", "HOST", "ENROLLED", "SEEN"},
		cells: func(m adminapi.Tunneler) []string {
			return []string{orDefault(m.Name, "-"), labelText(m.Labels), m.HostID, absolute(m.EnrolledAt), absolute(m.LastSeen)}
		},
	}
}

func hosts() resource[adminapi.Host] {
	return resource[adminapi.Host]{
		singular: "host", plural: "hosts", statuses: fleetStatuses(), labels: true,
		list: (*adminclient.Client).Hosts, one: (*adminclient.Client).Host, id: func(h adminapi.Host) string { return h.ID },
		matches: func(h adminapi.Host, o adminclient.ListOptions) bool {
			return inList(h.Status, h.RevokedAt, h.Labels, o)
		},
		table: hostTable,
		wide:  []string{"NAME", "LABELS", "AGENT", "ENROLLED AT", "SEEN"},
		cells: func(h adminapi.Host) []string {
			return []string{orDefault(h.Name, "-"), labelText(h.Labels), orDefault(h.AgentID, "-"), absolute(h.EnrolledAt), absolute(h.LastSeen)}
		},
	}
}

// all makes a list without a filter of one that is given none.
func all[T any](list func(*adminclient.Client, context.Context) ([]T, error)) func(*adminclient.Client, context.Context, adminclient.ListOptions) ([]T, error) {
	return func(api *adminclient.Client, ctx context.Context, _ adminclient.ListOptions) ([]T, error) {
		return list(api, ctx)
	}
}

func networks() resource[adminapi.Network] {
	return resource[adminapi.Network]{
		singular: "network", plural: "networks",
		list: all((*adminclient.Client).Networks), one: (*adminclient.Client).Network, id: func(n adminapi.Network) string { return n.ID },
		table: networkTable,
		wide:  []string{"CREATED AT", "REVISION"},
		cells: func(n adminapi.Network) []string {
			return []string{absolute(n.CreatedAt), strconv.FormatInt(n.Revision, 10)}
		},
	}
}

func networkTable(all []adminapi.Network, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", "NAME", "CONNECTORS", adminapi.Online, "PREFIXES", "CREATED"}}
	for _, n := range all {
		t.Rows = append(t.Rows, []string{n.ID, n.Name, strconv.Itoa(n.Connectors.Total), strconv.Itoa(n.Connectors.Online), orDefault(strings.Join(n.Prefixes, ","), "private"), relative(n.CreatedAt, now)})
	}
	return t
}

func tokens() resource[adminapi.Token] {
	return resource[adminapi.Token]{
		singular: "token", plural: "tokens",
		list: all((*adminclient.Client).Tokens), one: (*adminclient.Client).Token, id: func(t adminapi.Token) string { return t.TokenID },
		table: tokenTable,
		wide:  []string{"HOST", "CREATED AT", "EXPIRES AT", "REDEEMED AT"},
		cells: func(t adminapi.Token) []string {
			return []string{orDefault(t.HostID, "-"), absolute(t.CreatedAt), absolute(t.ExpiresAt), absolute(t.RedeemedAt)}
		},
	}
}

func requests() resource[adminapi.Request] {
	return resource[adminapi.Request]{
		singular: "request", plural: "requests", statuses: []string{"pending", "approved", "enrolled", "denied", "withdrawn", "expired"},
		list: func(api *adminclient.Client, ctx context.Context, o adminclient.ListOptions) ([]adminapi.Request, error) {
			return api.Requests(ctx, o.Status)
		},
		one: (*adminclient.Client).Request, id: func(r adminapi.Request) string { return r.EnrollmentRequestID },
		matches: func(r adminapi.Request, o adminclient.ListOptions) bool {
			return o.Status == "" || r.Status == o.Status
		},
		table: requestTable,
		wide:  []string{"REQUEST ID", "CREATED AT", "EXPIRES AT"},
		cells: func(r adminapi.Request) []string {
			return []string{r.EnrollmentRequestID, absolute(r.CreatedAt), absolute(r.ExpiresAt)}
		},
	}
}

func keys() resource[adminapi.Key] {
	return resource[adminapi.Key]{
		singular: "key", plural: "keys",
		list: all((*adminclient.Client).Keys), one: (*adminclient.Client).Key, id: func(k adminapi.Key) string { return k.ID },
		table: keyTable,
		wide:  []string{"CREATED AT", "EXPIRES AT", "USED AT"},
		cells: func(k adminapi.Key) []string {
			return []string{absolute(k.CreatedAt), absolute(k.ExpiresAt), absolute(k.LastUsedAt)}
		},
	}
}

func people() resource[adminapi.Person] {
	return resource[adminapi.Person]{
		singular: "person", plural: "people",
		list: all((*adminclient.Client).People), one: (*adminclient.Client).Person, id: func(p adminapi.Person) string { return p.ID },
		table: peopleTable,
		wide:  []string{"CREATED AT", "SIGNED IN AT"},
		cells: func(p adminapi.Person) []string { return []string{absolute(p.CreatedAt), absolute(p.LastSignInAt)} },
	}
}

func peopleTable(all []adminapi.Person, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", statusColumn, "EMAIL", "NAME", "ROLE", "SECOND FACTOR", "LAST SIGN-IN", "SIGNS IN BY"}}
	for _, p := range all {
		status, by := "active", "password"
		switch {
		case p.Disabled:
			status = "disabled"
		case p.Invited:
			status = "invited"
		}
		switch {
		case p.Declared:
			by = "the configuration"
		case p.OIDC:
			by = "identity provider"
		}
		t.Rows = append(t.Rows, []string{p.ID, status, p.Email, p.Name, p.Role, yesNo(p.TOTP), relative(p.LastSignInAt, now), by})
	}
	return t
}

func sessions() resource[adminapi.Session] {
	return resource[adminapi.Session]{
		singular: "session", plural: "sessions", silent: true,
		list: all((*adminclient.Client).Sessions), one: (*adminclient.Client).Session, id: func(s adminapi.Session) string { return s.ID },
		table: sessionTable,
		wide:  []string{"PERSON", "CREATED AT", "EXPIRES AT"},
		cells: func(s adminapi.Session) []string {
			return []string{s.PersonID, absolute(s.CreatedAt), absolute(s.ExpiresAt)}
		},
	}
}

func sessionTable(all []adminapi.Session, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", "METHOD", "EMAIL", "FROM", "BEGAN", "LAST USED", "EXPIRES", "WITH"}}
	for _, s := range all {
		t.Rows = append(t.Rows, []string{
			s.ID, s.Method, s.PersonEmail, s.Source, relative(s.CreatedAt, now), relative(s.LastSeenAt, now), relative(s.ExpiresAt, now), orDefault(s.UserAgent, "-"),
		})
	}
	return t
}
