package changelogtest

import (
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// Still is the log of a store in which nothing ever changes, and what its readers ask
// for after a change.
type Still struct{}

// ChangePosition implements changelog.Log.
func (Still) ChangePosition(context.Context) (uint64, error) { return 0, nil }

// Changes implements changelog.Log.
func (Still) Changes(context.Context, uint64, int) ([]changelog.Change, error) { return nil, nil }

// SubscribeChanges implements changelog.Log.
func (Still) SubscribeChanges() (<-chan struct{}, func()) { return nil, func() {} }

// ConnectorsByID implements policy.Store.
func (Still) ConnectorsByID(context.Context, []string) ([]fleet.Connector, error) { return nil, nil }

// TunnelersByID implements policy.Store.
func (Still) TunnelersByID(context.Context, []string) ([]fleet.Tunneler, error) { return nil, nil }

// Networks implements policy.Store.
func (Still) Networks(context.Context) ([]fleet.Network, error) { return nil, nil }

// Resources implements policy.Store.
func (Still) Resources(context.Context) ([]policy.Resource, error) { return nil, nil }

// Grants implements policy.Store.
func (Still) Grants(context.Context) ([]policy.Grant, error) { return nil, nil }

// ResourcesByID implements policy.Store.
func (Still) ResourcesByID(context.Context, []string) ([]policy.Resource, error) { return nil, nil }

// GrantsByID implements policy.Store.
func (Still) GrantsByID(context.Context, []string) ([]policy.Grant, error) { return nil, nil }
