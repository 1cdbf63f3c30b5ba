package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// FirstKeyID is the id of the API key that releases before the local admin socket made
// at their first start, for everything and for a day, with the secret in a file. As a
// key like all others it has no permissions.
const FirstKeyID = "bootstrap"

// RetireFirstKey ends that key, what it made, and its file at path. It says whether
// there was anything to end.
func (k *Keys) RetireFirstKey(ctx context.Context, path string) (retired bool, err error) {
	err = k.Store.AuthTx(ctx, func(tx Tx) error {
		key, err := tx.KeyByID(ctx, FirstKeyID)
		if errors.Is(err, ErrKeyNotFound) || err == nil && !key.RevokedAt.IsZero() {
			return nil
		}
		if err != nil {
			return err
		}
		retired = true
		return k.revoke(ctx, tx, key, By{Actor: "controller"}, "the local admin socket is in its place")
	})
	if err != nil {
		return false, fmt.Errorf("retire the API key of the first start: %w", err)
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return retired, nil
	}
	if err != nil {
		return retired, fmt.Errorf("the API key of the first start is not valid any more, and its file could not be removed: %w", err)
	}
	return true, nil
}
