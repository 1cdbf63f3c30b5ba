package control

import (
	"context"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// silence is three heartbeats: after it the stream is dead even if TCP is not.
const silence = 30 * time.Second

// conversation is an admitted control stream.
type conversation struct {
	s      *ControlPlane
	c      caller
	stream zerotrustv1.ControlPlaneService_ConnectServer
	number uint64
	log    *zap.Logger

	instance string // of the hello

	woken *wakeups        // by the policy and what is sent along with it, or to end
	again <-chan struct{} // another hello is wanted
	leave func()          // ends what admit has begun

	policy  following[policy.Tunneler, *zerotrustv1.PolicyTunneler]
	rules   followingRules
	witness witnessing
	denials denying

	timeline saying
	returned returned
	reported reporting
	recall   <-chan struct{} // closed when the policy may be sent; nil: it may be

	complaints *rate.Limiter // about what is relayed
	resyncs    *rate.Limiter
	messages   *rate.Limiter
}

// run says what a connector has to know before it works, and then takes turns with it until
// the stream ends.
func (t *conversation) run(ctx context.Context, in <-chan *zerotrustv1.ConnectRequest) error {
	if err := t.introduce(); err != nil {
		return err
	}
	// The log before the policy: whoever does not know this log takes no policy of it.
	turn, leave := t.witness.join()
	defer leave()
	if err := t.offer(ctx); err != nil {
		return err
	}
	if err := t.sendPolicy(); err != nil {
		return err
	}
	quiet := time.AfterFunc(silence, func() { t.woken.end(errSilent) })
	defer quiet.Stop()
	defer t.witness.rest()
	var held <-chan time.Time // set while messages wait
	for {
		var err error
		next := in
		if held != nil {
			next = nil
		}
		select { // few: see wakeups. What is nil costs nothing
		case m := <-next:
			quiet.Reset(silence)
			err = t.handle(ctx, m)
			held = t.pause()
		case <-held:
			held = nil
		case <-t.woken.hint:
			err = t.wake()
		case <-t.again:
			err = errHelloWanted
		case <-turn:
			err = t.offer(ctx)
		case <-t.recall:
			t.recall = nil
			err = t.sendPolicy()
		case <-t.witness.again:
			err = t.offer(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// introduce sends denials before all, since they need no log, and the timeline before the
// log, since another timeline may have another log.
func (t *conversation) introduce() error {
	if err := t.denials.update(t.s.Policy.Current()); err != nil {
		return err
	}
	_, err := t.timeline.news()
	return err
}

// pause is set when the next message has to wait: a connector that says more than it can
// have to say does not take the processor from the others.
func (t *conversation) pause() <-chan time.Time {
	if d := t.messages.Reserve().Delay(); d > 0 {
		return time.After(d)
	}
	return nil
}

// wake looks what there is to say, or ends the stream.
func (t *conversation) wake() error {
	if why := t.woken.ended(); why != nil {
		if why == errStopping { //nolint:errorlint // our own, as it is
			t.goodbye()
		}
		return why
	}
	if err := t.acknowledge(); err != nil {
		return err
	}
	switch said, err := t.timeline.news(); {
	case err != nil:
		return err
	case said: // the policy behind it, though nothing is new in it, has the connector pin the key
		t.policy.sent = false
	}
	return t.sendPolicy()
}
