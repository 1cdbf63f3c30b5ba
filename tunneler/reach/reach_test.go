package reach_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/reach"
)

func listed(id, network, host, port string) *zerotrustv1.ReachableResource {
	return &zerotrustv1.ReachableResource{Id: id, NetworkId: network, Name: id, Hosts: []string{host}, Ports: []string{port}}
}

func update(part, parts uint32, all ...*zerotrustv1.ReachableResource) *zerotrustv1.ReachUpdate {
	return &zerotrustv1.ReachUpdate{Part: part, Parts: parts, Resources: all}
}

func keeper(t *testing.T, all ...*zerotrustv1.ReachableResource) *reach.Keeper {
	t.Helper()
	k := reach.NewKeeper("laptop")
	taken, void, err := k.Take(update(1, 1, all...))
	require.NoError(t, err)
	require.True(t, taken)
	require.Zero(t, void)
	return k
}

func ids(t *testing.T, k *reach.Keeper) (out []string) {
	t.Helper()
	all, _ := k.List().Resources(time.Now())
	for _, r := range all {
		out = append(out, r.ID)
	}
	return out
}

func to(host string, port uint16) flow.Target { return flow.Target{Host: host, Port: port} }

func TestTheNetworkOfATargetIsKnown(t *testing.T) {
	t.Parallel()
	k := keeper(t, listed("db", "berlin", "db.corp", "5432"), listed("dev", "paris", "*.dev.corp", "22"), listed("net", "paris", "10.1.0.0/16", "1-65535"), listed("twin", "rome", "db.corp", "5432"))
	require.Equal(t, []string{"berlin", "rome"}, k.Networks(to("db.corp", 5432)))
	require.Equal(t, []string{"paris"}, k.Networks(to("a.dev.corp", 22)))
	require.Equal(t, []string{"paris"}, k.Networks(to("10.1.2.3", 80)))
	for _, unknown := range []flow.Target{to("db.corp", 5433), to("dev.corp", 22), to("10.2.0.1", 80), to("vault.corp", 8200), to("", 0)} {
		require.Empty(t, k.Networks(unknown), unknown)
	}
	require.Empty(t, reach.NewKeeper("laptop").Networks(to("db.corp", 5432)), "before the first list")
}

func TestAnAliasStandsForItsHost(t *testing.T) {
	t.Parallel()
	db := listed("db", "berlin", "db.corp", "5432")
	db.Alias = "pg"
	shadow := listed("shadow", "berlin", "10.0.0.1", "22")
	shadow.Alias = "db.corp"
	k := keeper(t, db, shadow)
	require.Equal(t, to("db.corp", 5432), k.Target(to("pg", 5432)))
	require.Equal(t, to("db.corp", 5432), k.Target(to("db.corp", 5432)), "a target that is reachable is itself")
	require.Equal(t, to("other", 1), k.Target(to("other", 1)))
	require.Equal(t, to("pg", 5432), reach.NewKeeper("laptop").Target(to("pg", 5432)))
}

func TestWhatHasEndedIsNotListed(t *testing.T) {
	t.Parallel()
	over, later := listed("over", "berlin", "a.corp", "22"), listed("later", "berlin", "b.corp", "22")
	over.Alias, over.Until, later.Until = "gone", timestamppb.New(time.Now().Add(-time.Second)), timestamppb.New(time.Now().Add(time.Hour))
	k := keeper(t, over, later)
	require.Equal(t, []string{"later"}, ids(t, k), "also while no controller says so")
	require.Empty(t, k.Networks(to("a.corp", 22)))
	require.Equal(t, []string{"berlin"}, k.Networks(to("b.corp", 22)))
}

func TestAListIsTakenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	a, b := listed("a", "berlin", "a.corp", "22"), listed("b", "berlin", "b.corp", "22")
	for name, parts := range map[string][]*zerotrustv1.ReachUpdate{
		"no part":              {update(0, 0, b)},
		"a part of none":       {update(1, 0, b)},
		"the end first":        {update(2, 2, b)},
		"a gap":                {update(1, 3, b), update(3, 3, b)},
		"a part twice":         {update(1, 3, b), update(2, 3, b), update(2, 3, b)},
		"another number":       {update(1, 2, b), update(2, 3, b)},
		"too many parts":       {update(1, reach.MaxParts+1, b)},
		"too many resources":   {{Part: 1, Parts: 1, Resources: make([]*zerotrustv1.ReachableResource, wire.MaxReach+1)}},
		"too many in all":      {{Part: 1, Parts: 2, Resources: make([]*zerotrustv1.ReachableResource, wire.MaxReach)}, update(2, 2, b)},
		"one that never ended": {update(1, 2, b)},
	} {
		k := keeper(t, a)
		var err error
		for _, m := range parts {
			_, _, err = k.Take(m)
		}
		if name != "one that never ended" {
			require.ErrorIs(t, err, reach.ErrMalformed, name)
		}
		require.Equal(t, []string{"a"}, ids(t, k), name)
		k.Begin()
		_, _, err = k.Take(update(2, 2, b))
		require.Error(t, err, "what another stream began is not continued")
		_, _, err = k.Take(update(1, 2, b))
		require.NoError(t, err, name)
		taken, _, err := k.Take(update(2, 2, a))
		require.NoError(t, err, name)
		require.True(t, taken)
		require.Equal(t, []string{"a", "b"}, ids(t, k), name)
	}
}

func TestWhatIsNotUnderstoodIsLeftOut(t *testing.T) {
	t.Parallel()
	never := listed("never", "berlin", "b.corp", "22")
	never.Until = timestamppb.New(time.Time{})
	huge := listed("huge", "berlin", "b.corp", "22")
	huge.Until = &timestamppb.Timestamp{Seconds: 1 << 62}
	k := reach.NewKeeper("laptop")
	taken, void, err := k.Take(update(1, 1, listed("a", "berlin", "a.corp", "22"), listed("b", "berlin", "b.*.corp", "22"), listed("c", "berlin", "c.corp", "0"), listed("UP", "berlin", "c.corp", "1"), never, huge, nil))
	require.NoError(t, err)
	require.True(t, taken)
	require.Equal(t, 6, void)
	require.Equal(t, []string{"a"}, ids(t, k))
}

func TestAResourceIsFoundByWhatPeopleCallIt(t *testing.T) {
	t.Parallel()
	db, web := listed("db", "berlin", "db.corp", "5432"), listed("web", "berlin", "*.corp", "80")
	db.Alias, db.Name, web.Name = "pg", "Orders", "Front"
	twin := listed("twin", "paris", "10.0.0.1", "22")
	twin.Name = "Front"
	raw, err := keeper(t, db, web, twin).Document()
	require.NoError(t, err)
	d, err := reach.ParseDocument(raw)
	require.NoError(t, err)
	for _, word := range []string{"db", "pg", "Orders"} {
		r, err := d.Find(word)
		require.NoError(t, err, word)
		at, err := r.Target()
		require.NoError(t, err)
		require.Equal(t, to("db.corp", 5432), at)
	}
	r, err := d.Find("twin")
	require.NoError(t, err)
	at, err := r.Target()
	require.NoError(t, err)
	require.Equal(t, to("10.0.0.1", 22), at)
	_, err = d.Find("Front")
	require.ErrorContains(t, err, "several resources are called")
	_, err = d.Find("vault")
	require.ErrorContains(t, err, "no resource that this tunneler may reach")
	_, err = reach.Document{}.Find("db")
	require.ErrorContains(t, err, "the controller has not sent yet")
	r, err = d.Find("web")
	require.NoError(t, err)
	_, err = r.Target()
	require.ErrorContains(t, err, `write HOST:PORT, such as *.corp:80`)
	_, err = reach.ParseDocument([]byte("<html>"))
	require.Error(t, err)
}

// FuzzTake has whatever a controller sends leave a list that is whole, and within the caps.
func FuzzTake(f *testing.F) {
	for _, m := range []*zerotrustv1.ReachUpdate{update(1, 1, listed("a", "berlin", "a.corp", "22")), update(1, 2), update(2, 2, listed("b", "x", "10.0.0.0/8", "1-2")), update(0, 0)} {
		raw, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, raw)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		k := reach.NewKeeper("laptop")
		for _, raw := range [][]byte{first, second} {
			var m zerotrustv1.ReachUpdate
			if proto.Unmarshal(raw, &m) != nil {
				continue
			}
			before := k.List()
			taken, _, err := k.Take(&m)
			require.False(t, taken && err != nil)
			require.Equal(t, taken, k.List() != before)
		}
		l := k.List()
		if l == nil {
			return
		}
		all, _ := l.Resources(time.Now())
		require.LessOrEqual(t, len(all), wire.MaxReach)
		for _, r := range all {
			_, err := r.Text().Parse()
			require.NoError(t, err)
			if r.Alias != "" {
				_ = l.Target(to(r.Alias, 1), time.Now())
			}
		}
		_, err := k.Document()
		require.NoError(t, err)
	})
}
