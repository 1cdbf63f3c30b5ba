package auth_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

func TestRolesHoldTheirPermissions(t *testing.T) {
	t.Parallel()
	auditor := []auth.Permission{auth.FleetRead, auth.AuditRead, auth.SettingsRead, auth.Self}
	operator := slices.Concat(auditor, []auth.Permission{auth.FleetWrite, auth.TokensWrite, auth.RequestsDecide, auth.MembersRevoke, auth.AttentionDismiss})
	admin := slices.Concat(operator, []auth.Permission{auth.CARotate, auth.KeysManage})
	for role, want := range map[auth.Role][]auth.Permission{
		auth.Auditor: auditor, auth.Operator: operator, auth.Admin: admin, auth.Owner: auth.Permissions(),
		"": nil, "root": nil, "Owner": nil, "owner\n": nil,
	} {
		require.ElementsMatch(t, want, role.Permissions(), "role %q", role)
		require.Equal(t, len(want) > 0, role.Known())
	}
}

func TestAPrincipalMayWhatItWasGivenAndNothingElse(t *testing.T) {
	t.Parallel()
	p := auth.Principal{Permissions: []auth.Permission{auth.FleetRead, ""}}
	require.True(t, p.May(auth.FleetRead))
	for _, need := range []auth.Permission{"", "fleet", "fleet:rewrite", "FLEET:READ", "fleet:read ", "*", auth.TokensWrite} {
		require.False(t, p.May(need), "permission %q", need)
	}
	require.False(t, auth.Principal{}.May(auth.FleetRead))
}

func TestStepUpEndsForPeopleAndIsNotAskedOfKeys(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	person := auth.Principal{Kind: auth.KindPerson}
	require.False(t, person.SteppedUp(now))
	person.StepUpUntil = now
	require.False(t, person.SteppedUp(now), "from that instant on")
	person.StepUpUntil = now.Add(time.Nanosecond)
	require.True(t, person.SteppedUp(now))
	require.True(t, auth.Principal{Kind: auth.KindKey}.SteppedUp(now))
	require.True(t, auth.Local().SteppedUp(now))
	require.False(t, auth.Principal{}.SteppedUp(now), "an unknown kind is no key")
}

func TestAKeyCarriesOnlyWhatAKeyMayHave(t *testing.T) {
	t.Parallel()
	k := auth.Key{ID: "k1", Permissions: []auth.Permission{auth.FleetRead, auth.Self, auth.PeopleManage, "made:up", ""}}
	require.Equal(t, []auth.Permission{auth.FleetRead, auth.PeopleManage}, k.KeyPermissions())
	require.Empty(t, auth.Key{ID: auth.FirstKeyID}.KeyPermissions(), "that of earlier releases, whose id was enough")
}
