package auth

import (
	"context"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Redeem gives the command line its token, once. Errors: ErrDevicePending,
// ErrDeviceSlowDown, ErrDeviceDenied, ErrDeviceExpired.
func (d *Devices) Redeem(ctx context.Context, code string, by By) (Login, error) {
	w, err := d.poll(code)
	if err != nil {
		return Login{}, err
	}
	l, err := d.begin(ctx, w, by)
	switch {
	case errors.Is(err, ErrSessionNotFound), errors.Is(err, ErrPersonNotFound):
		return Login{}, ErrDeviceDenied
	case err != nil: // the store could not be asked: the next poll may
		d.mu.Lock()
		d.waiting[w.hash] = w
		d.mu.Unlock()
	}
	return l, err
}

// poll takes an approved ask away. Nothing of it reaches the database.
func (d *Devices) poll(code string) (*waiting, error) {
	if keys.CheckSecret(deviceCode, code) != nil {
		return nil, ErrDeviceExpired
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	w := d.waiting[string(keys.HashSecret(code))]
	if w == nil || !now.Before(w.EndsAt) {
		return nil, ErrDeviceExpired
	}
	early := now.Sub(w.polledAt) < w.interval
	w.polledAt = now
	switch {
	case early:
		w.interval = min(w.interval+DeviceInterval, longestInterval)
		return nil, ErrDeviceSlowDown
	case w.state == denied:
		delete(d.waiting, w.hash)
		return nil, ErrDeviceDenied
	case w.state != approved:
		return nil, ErrDevicePending
	}
	delete(d.waiting, w.hash)
	return w, nil
}

func (d *Devices) begin(ctx context.Context, w *waiting, by By) (l Login, err error) {
	l.Token = keys.NewSecret(loginPrefix)
	return l, d.Store.AuthTx(ctx, func(tx Tx) error {
		if l.Session, err = tx.SessionByID(ctx, w.session); err != nil {
			return err
		}
		if l.Person, err = tx.Person(ctx, l.Session.PersonID); err != nil {
			return err
		}
		if err := tx.RenewSession(ctx, w.session, keys.HashSecret(l.Token), l.Session.ExpiresAt); err != nil {
			return err
		}
		by.Actor = l.Person.Actor()
		return d.record(ctx, tx, by, audit.Event{Action: audit.SignIn, Target: "session/" + w.session, Reason: string(ByDevice)})
	})
}

// Revoke ends the login of this token, by whoever has it (RFC 7009). It says whether
// there was one.
func (d *Devices) Revoke(ctx context.Context, token string, by By) (bool, error) {
	known := keys.CheckSecret(loginPrefix, token) == nil
	if !known { // noise costs no look-up
		return false, nil
	}
	found := false
	err := d.Store.AuthTx(ctx, func(tx Tx) error {
		sess, err := tx.SessionByHash(ctx, keys.HashSecret(token))
		if errors.Is(err, ErrSessionNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		found, by.Actor = true, "person:"+sess.PersonID
		if err := tx.DeleteSession(ctx, sess.ID); err != nil {
			return err
		}
		return d.record(ctx, tx, by, audit.Event{Action: audit.SignOut, Target: "session/" + sess.ID, Reason: string(ByDevice)})
	})
	return found, err
}
