package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// ErrForeignEntry is returned by PutEntry when an entry that is not ours already
// gives the same SPIFFE ID to the same selectors under the same parent. We
// neither adopt it (deleting ours would then leave the access in place) nor
// delete it (it is the operator's).
var ErrForeignEntry = errors.New("an entry that this controller does not own grants the same; delete it in SPIRE")

// ErrInvalidEntry is returned for an entry that SPIRE or this package refuses.
var ErrInvalidEntry = errors.New("invalid entry")

// entryIDPattern is what SPIRE allows in an entry ID (sqlstore's
// validEntryIDChars, at most 255), after our prefix.
var entryIDPattern = regexp.MustCompile(`^` + regexp.QuoteMeta(fleet.EntryIDPrefix) + `[A-Za-z0-9._-]{1,200}$`)

// PutEntry creates the entry, or makes the one with its ID equal to it in every
// field, those that we never set (admin, downstream) included. Equal already: it
// writes nothing.
//
// SPIRE refuses a second entry with equal (SPIFFE ID, parent ID, selectors). When
// such a similar entry has another ID of ours, it is a leftover (one member has
// one entry ID on one host) and is replaced; when it is somebody else's, the
// result is ErrForeignEntry.
func (c *Client) PutEntry(ctx context.Context, e fleet.Entry) error {
	want, err := c.protoEntry(e)
	if err != nil {
		return fmt.Errorf("put entry %q: %w", e.ID, err)
	}
	if err := c.put(ctx, want); err != nil {
		return fmt.Errorf("put entry %q: %w", e.ID, err)
	}
	return nil
}

// put does not ask for the ID first, though that would be simpler: SPIRE logs
// each question for an entry that does not exist as an error.
func (c *Client) put(ctx context.Context, want *types.Entry) error {
	have, err := c.clearSimilar(ctx, want)
	if err != nil {
		return err
	}
	if have == nil {
		have, err = c.create(ctx, want)
		if err == nil && have == nil {
			return nil
		}
	}
	if err != nil { // perhaps the ID exists with another SPIFFE ID, parent or selectors
		var getErr error
		if have, getErr = c.get(ctx, want.Id); getErr != nil {
			return err
		}
	}
	switch {
	case have.Id != want.Id:
		return fmt.Errorf("similar entry %q appeared meanwhile; retry", have.Id)
	case sameEntry(have, want):
		return nil
	default:
		return c.update(ctx, want)
	}
}

// clearSimilar makes room for want. SPIRE checks similarity when it creates an
// entry but not when it updates one, so it is checked here for both. The entry
// with want's own ID is returned if it is among the similar ones.
func (c *Client) clearSimilar(ctx context.Context, want *types.Entry) (own *types.Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.entries.ListEntries(ctx, &entryv1.ListEntriesRequest{Filter: &entryv1.ListEntriesRequest_Filter{
		BySpiffeId: want.SpiffeId, ByParentId: want.ParentId,
		BySelectors: &types.SelectorMatch{Selectors: want.Selectors, Match: types.SelectorMatch_MATCH_EXACT},
	}})
	if err != nil {
		return nil, err
	}
	for _, similar := range resp.GetEntries() {
		switch {
		case similar.Id == want.Id:
			own = similar
			continue
		case !strings.HasPrefix(similar.Id, fleet.EntryIDPrefix):
			return nil, fmt.Errorf("%w: entry %q", ErrForeignEntry, similar.Id)
		}
		if err := c.delete(ctx, similar.Id); err != nil {
			return nil, err
		}
		c.log.Warn("deleted a leftover entry", zap.String("entry_id", similar.Id), zap.String("new_entry_id", want.Id))
	}
	return own, nil
}

// get returns fleet.ErrNotFound for an ID that has no entry.
func (c *Client) get(ctx context.Context, id string) (*types.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e, err := c.entries.GetEntry(ctx, &entryv1.GetEntryRequest{Id: id})
	return e, domainError(err)
}

// create returns the similar entry when there is one, and creates nothing then.
func (c *Client) create(ctx context.Context, want *types.Entry) (similar *types.Entry, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.entries.BatchCreateEntry(ctx, &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{want}})
	if err != nil {
		return nil, err
	}
	if len(resp.GetResults()) != 1 {
		return nil, errNoResult
	}
	result := resp.Results[0]
	if codes.Code(result.GetStatus().GetCode()) == codes.AlreadyExists && result.GetEntry() != nil { //nolint:gosec // codes are small
		return result.Entry, nil
	}
	return nil, itemError(result.GetStatus())
}

// update writes all fields: no mask.
func (c *Client) update(ctx context.Context, want *types.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.entries.BatchUpdateEntry(ctx, &entryv1.BatchUpdateEntryRequest{Entries: []*types.Entry{want}})
	if err != nil {
		return err
	}
	if len(resp.GetResults()) != 1 {
		return errNoResult
	}
	return itemError(resp.Results[0].GetStatus())
}

// DeleteEntry deletes an entry of ours; one that is gone is no error.
func (c *Client) DeleteEntry(ctx context.Context, id string) error {
	if !entryIDPattern.MatchString(id) {
		return fmt.Errorf("delete entry %q: %w: its ID is not one of this controller's", id, ErrInvalidEntry)
	}
	if err := c.delete(ctx, id); err != nil {
		return fmt.Errorf("delete entry %q: %w", id, err)
	}
	return nil
}

func (c *Client) delete(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.entries.BatchDeleteEntry(ctx, &entryv1.BatchDeleteEntryRequest{Ids: []string{id}})
	if err != nil {
		return err
	}
	if len(resp.GetResults()) != 1 {
		return errNoResult
	}
	if err := itemError(resp.Results[0].GetStatus()); !errors.Is(err, fleet.ErrNotFound) {
		return err
	}
	return nil
}

// EntriesOf lists the entries that are ours and give this SPIFFE ID.
func (c *Client) EntriesOf(ctx context.Context, id spiffeid.ID) (all []fleet.Entry, err error) {
	filter := &entryv1.ListEntriesRequest_Filter{BySpiffeId: protoID(id)}
	err = c.eachEntries(ctx, filter, func(page []fleet.Entry) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// EachEntries calls fn with the entries that are ours, a page at a time in SPIRE's
// order, in which entries that are made meanwhile come last.
func (c *Client) EachEntries(ctx context.Context, fn func(page []fleet.Entry) error) error {
	return c.eachEntries(ctx, nil, fn)
}

// eachEntries skips none of our entries: one that we cannot read is an error, for it
// would look like "deleted".
func (c *Client) eachEntries(ctx context.Context, filter *entryv1.ListEntriesRequest_Filter, fn func(page []fleet.Entry) error) error {
	for token := ""; ; {
		resp, err := c.entryPage(ctx, &entryv1.ListEntriesRequest{Filter: filter, PageSize: pageSize, PageToken: token})
		if err != nil {
			return fmt.Errorf("list entries: %w", err)
		}
		page := make([]fleet.Entry, 0, len(resp.GetEntries()))
		for _, p := range resp.GetEntries() {
			if !strings.HasPrefix(p.GetId(), fleet.EntryIDPrefix) {
				continue
			}
			e, err := domainEntry(p)
			if err != nil {
				return fmt.Errorf("list entries: entry %q: %w", p.GetId(), err)
			}
			page = append(page, e)
		}
		if len(page) > 0 { // SPIRE's last page may be empty
			if err := fn(page); err != nil {
				return err
			}
		}
		if token = resp.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

func (c *Client) entryPage(ctx context.Context, r *entryv1.ListEntriesRequest) (*entryv1.ListEntriesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return c.entries.ListEntries(ctx, r)
}

func (c *Client) protoEntry(e fleet.Entry) (*types.Entry, error) {
	switch {
	case !entryIDPattern.MatchString(e.ID):
		return nil, fmt.Errorf("%w: its ID must begin with %q and hold only letters, digits, '.', '_' and '-'", ErrInvalidEntry, fleet.EntryIDPrefix)
	case e.SPIFFEID.TrustDomain() != c.td || e.ParentID.TrustDomain() != c.td:
		return nil, fmt.Errorf("%w: SPIFFE ID or parent ID is not of trust domain %q", ErrInvalidEntry, c.td)
	case len(e.Selectors) == 0:
		return nil, fmt.Errorf("%w: it has no selectors and would match every process", ErrInvalidEntry)
	case e.X509SVIDTTL < 0 || e.X509SVIDTTL%time.Second != 0 || e.X509SVIDTTL/time.Second > math.MaxInt32:
		return nil, fmt.Errorf("%w: X509-SVID TTL %s is not a number of whole seconds", ErrInvalidEntry, e.X509SVIDTTL)
	}
	p := &types.Entry{
		Id: e.ID, SpiffeId: protoID(e.SPIFFEID), ParentId: protoID(e.ParentID),
		X509SvidTtl: int32(e.X509SVIDTTL / time.Second), //nolint:gosec // checked above
	}
	if e.DNSName != "" {
		p.DnsNames = []string{e.DNSName}
	}
	for _, s := range e.Selectors {
		p.Selectors = append(p.Selectors, &types.Selector{Type: s.Type, Value: s.Value})
	}
	return p, nil
}

func domainEntry(p *types.Entry) (fleet.Entry, error) {
	id, err := domainID(p.GetSpiffeId())
	if err != nil {
		return fleet.Entry{}, err
	}
	parent, err := domainID(p.GetParentId())
	if err != nil {
		return fleet.Entry{}, err
	}
	e := fleet.Entry{
		ID: p.GetId(), SPIFFEID: id, ParentID: parent, X509SVIDTTL: time.Duration(p.GetX509SvidTtl()) * time.Second,
		DNSName: strings.Join(p.GetDnsNames(), ","), // an entry with more than one is not ours: the reconciler writes it anew
	}
	for _, s := range p.GetSelectors() {
		e.Selectors = append(e.Selectors, fleet.Selector{Type: s.GetType(), Value: s.GetValue()})
	}
	return e, nil
}

// sameEntry compares all that we write; selectors are a set.
func sameEntry(have, want *types.Entry) bool {
	a, b := proto.CloneOf(have), proto.CloneOf(want)
	for _, e := range []*types.Entry{a, b} {
		e.RevisionNumber, e.CreatedAt = 0, 0 // SPIRE's own
		slices.SortFunc(e.Selectors, func(x, y *types.Selector) int {
			return strings.Compare(x.Type+":"+x.Value, y.Type+":"+y.Value)
		})
	}
	return proto.Equal(a, b)
}
