package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// ErrMore refuses a caller that would give somebody, or take over from somebody, more
// than it has itself: who may manage people would otherwise be whoever it likes.
var ErrMore = errors.New("this person has, or would get, permissions that you do not have yourself")

const personActor = "person:"

// reaching is what the rights of a caller are read from.
type reaching interface {
	PeopleTx
	KeysTx
}

// reach is what the caller of a change has at this moment, read in the transaction of the
// change: since the caller was authenticated its role may have become smaller, its key
// may have ended, and an access token has less than its key. Errors: *RefusedError.
func (k *core) reach(ctx context.Context, tx reaching, by By) ([]Permission, error) {
	has, err := k.rightsOf(ctx, tx, by.Actor)
	if err != nil || by.Scope == nil {
		return has, err
	}
	return slices.DeleteFunc(slices.Clone(has), func(p Permission) bool { return !slices.Contains(by.Scope, p) }), nil
}

// rightsOf is what a key or person may do now. Whatever else acts is the controller, its
// configuration or its host's owner.
func (k *core) rightsOf(ctx context.Context, tx reaching, actor string) ([]Permission, error) {
	if id, ok := strings.CutPrefix(actor, keyActor); ok {
		key, err := tx.KeyByID(ctx, id)
		if errors.Is(err, ErrKeyNotFound) {
			return nil, &RefusedError{Reason: "unknown API key", Actor: actor}
		}
		if err != nil {
			return nil, err
		}
		if why := key.refusal(k.now()); why != "" {
			return nil, &RefusedError{Reason: why, Actor: actor}
		}
		return key.KeyPermissions(), nil
	}
	if id, ok := strings.CutPrefix(actor, personActor); ok {
		p, err := tx.Person(ctx, id)
		if errors.Is(err, ErrPersonNotFound) {
			return nil, &RefusedError{Reason: "the person was removed meanwhile", Actor: actor}
		}
		return p.rights(), err
	}
	return Permissions(), nil
}

// mayGive refuses a scope that the caller does not have. Errors: *FieldError, *RefusedError.
func (k *core) mayGive(ctx context.Context, tx reaching, by By, scopes []Permission) error {
	has, err := k.reach(ctx, tx, by)
	if err != nil {
		return err
	}
	for _, p := range scopes {
		if !slices.Contains(has, p) {
			return fieldError("scopes", "%q is more than you have yourself", p)
		}
	}
	return nil
}

// mayManage refuses a caller that lacks a permission of one of these roles. Errors:
// ErrMore, *RefusedError.
func (k *core) mayManage(ctx context.Context, tx reaching, by By, roles ...Role) error {
	has, err := k.reach(ctx, tx, by)
	if err != nil {
		return err
	}
	for _, r := range roles {
		for _, p := range r.Permissions() {
			if p != Self && !slices.Contains(has, p) {
				return ErrMore
			}
		}
	}
	return nil
}
