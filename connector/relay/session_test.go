package relay_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestHandshakeRefuses(t *testing.T) {
	t.Parallel()
	w, _, _ := linked(t, laptopID)
	other := spiffeid.RequireTrustDomainFromString("other.internal")
	foreign := mtlstest.NewCA(t, other)
	imposter := mtlstest.NewCA(t, td) // same trust domain name, not our authority

	good, evil := w.ca.SVID(t, laptopID), imposter.SVID(t, laptopID)
	spliced := *evil
	spliced.Certificates = append(spliced.Certificates, good.Certificates...)

	for name, svid := range map[string]*x509svid.SVID{
		"no SVID":                           nil,
		"an expired SVID":                   w.ca.SVID(t, laptopID, mtlstest.Expired()),
		"another trust domain":              foreign.SVID(t, "spiffe://other.internal/tunneler/laptop"),
		"another trust domain by our CA":    w.ca.SVID(t, "spiffe://other.internal/tunneler/laptop"),
		"another authority":                 evil,
		"a connector's SVID":                w.ca.SVID(t, "spiffe://mycorp.internal/connector/gw2"),
		"a controller's SVID":               w.ca.SVID(t, controllerID),
		"an agent's SVID":                   w.ca.SVID(t, "spiffe://mycorp.internal/spire/agent/x509pop/00000000000000000000000000000000"),
		"two URI SANs":                      w.ca.SVID(t, laptopID, mtlstest.WithURI(phoneID)),
		"the identity in CN and DNS only":   w.ca.SVID(t, laptopID, mtlstest.NameOnly()),
		"a foreign leaf with a good chain":  &spliced,
		"a longer path than a tunneler has": w.ca.SVID(t, laptopID+"/x"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := w.ca.Identity(svid)
			own.Trust(w.ca.Bundle(), x509bundle.New(other))
			_, err := w.attempt(t, own, "laptop")
			require.Error(t, err)
			require.NotEqual(t, codes.PermissionDenied, codeOf(err), "cut in the handshake, not by a handler: %v", err)
		})
	}
	w.attach(t, "laptop") // the listener is well after all that
}

func TestSessionRefuses(t *testing.T) {
	t.Parallel()
	t.Run("a tunneler that the policy does not name", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, phoneID)
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.PermissionDenied, "does not name")
	})
	t.Run("everybody before the first policy", func(t *testing.T) {
		t.Parallel()
		w := startConnector(t, mtlstest.NewCA(t, td), "127.0.0.1:1")
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.Unavailable, "no current policy")
		require.Error(t, w.relay.PolicyReady(t.Context()))
		require.Error(t, w.relay.ControlReady(t.Context()))
	})
	t.Run("an id in the message that is not the SVID's", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID, phoneID)
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "phone")
		requireStatus(t, err, codes.PermissionDenied, "tunneler_id")
	})
	t.Run("another id in a later message", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID, phoneID)
		s := w.attach(t, "laptop")
		s.id = "phone"
		requireStatus(t, s.beat(), codes.PermissionDenied, "tunneler_id")
	})
	t.Run("a first message without a heartbeat", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID)
		s, err := w.open(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		require.NoError(t, err)
		require.NoError(t, s.say(false))
		requireStatus(t, s.ends(t), codes.InvalidArgument, "must be a heartbeat")
	})
	t.Run("an SVID that was issued to the id's former holder", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		stale := w.attach(t, "laptop") // its SVID began five minutes ago
		stream.sendPolicy(t, 2, nil, &zerotrustv1.PolicyTunneler{SpiffeId: laptopID, SvidNotBefore: timestamppb.New(time.Now().Add(-time.Minute))})
		requireStatus(t, stale.ends(t), codes.PermissionDenied, "revoked")
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.PermissionDenied, "does not name")
		w.attach(t, "laptop", mtlstest.Since(time.Now().Add(-30*time.Second)))
	})
	t.Run("an SVID that the id's former holder got after its successor had enrolled", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		first, second := identity.NewHostID(), identity.NewHostID()
		name := func(rev uint64, host identity.HostID) {
			stream.sendPolicy(t, rev, nil, &zerotrustv1.PolicyTunneler{SpiffeId: laptopID, HostId: string(host)})
		}
		name(2, first)
		stream.applied(t, 2)
		was := w.attach(t, "laptop", mtlstest.OnHost(first))
		name(3, second)
		requireStatus(t, was.ends(t), codes.PermissionDenied, "revoked")
		for what, late := range map[string][]mtlstest.Option{
			"of the former host":   {mtlstest.OnHost(first)},
			"of no host":           nil,
			"of both hosts":        {func(c *x509.Certificate) { c.DNSNames = []string{second.SVIDName(), first.SVIDName()} }},
			"of a name of no host": {func(c *x509.Certificate) { c.DNSNames = []string{"laptop.example.com"} }},
		} {
			svid := w.ca.SVID(t, laptopID, append(late, mtlstest.Since(time.Now()))...)
			_, err := w.attempt(t, w.ca.Identity(svid), "laptop")
			require.Error(t, err, what)
			requireStatus(t, err, codes.PermissionDenied, "does not name")
		}
		w.attach(t, "laptop", mtlstest.OnHost(second))
	})
	t.Run("a flood of heartbeats", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID)
		s := w.attach(t, "laptop")
		var err error
		for range 100 {
			if err = s.beat(); err != nil {
				break
			}
		}
		requireStatus(t, err, codes.ResourceExhausted, "too many")
	})
	t.Run("a flood of probes", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID)
		s := w.attach(t, "laptop")
		for range 200 {
			require.NoError(t, s.say(false))
		}
		requireStatus(t, s.ends(t), codes.ResourceExhausted, "too many")
	})
	t.Run("probes in place of heartbeats", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, func(c *relay.Config) { c.Timing.SessionIdle = 300 * time.Millisecond })
		stream := c.next(t)
		stream.policy(t, 1, laptopID)
		stream.applied(t, 1)
		s := w.attach(t, "laptop")
		ended := make(chan error, 1)
		go func() { ended <- s.ends(t) }()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for err := error(nil); err == nil; {
			select {
			case err = <-ended:
				requireStatus(t, err, codes.DeadlineExceeded, "no heartbeat")
			case <-tick.C:
				_ = s.say(false)
			}
		}
	})
	t.Run("a session without heartbeats", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, func(c *relay.Config) { c.Timing.SessionIdle = 50 * time.Millisecond })
		stream := c.next(t)
		stream.policy(t, 1, laptopID)
		stream.applied(t, 1)
		s := w.attach(t, "laptop")
		requireStatus(t, s.ends(t), codes.DeadlineExceeded, "no heartbeat")
		stream.report(t, "laptop", true)
	})
	t.Run("kinds that the policy cannot name", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, "spiffe://mycorp.internal/connector/gw2", "spiffe://other.internal/tunneler/laptop", "not an id")
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.PermissionDenied, "does not name")
		stream.policy(t, 2, laptopID, "not an id")
		stream.applied(t, 2)
		w.attach(t, "laptop")
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	t.Run("reports attach, each heartbeat and detach", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		s := w.attach(t, "laptop")
		r := stream.report(t, "laptop", false)
		require.Equal(t, "1.2.3", r.GetVersion())
		require.NotEmpty(t, r.GetRemoteAddress())
		require.NoError(t, s.beat())
		stream.report(t, "laptop", false)
		require.NoError(t, s.CloseSend())
		stream.report(t, "laptop", true)
	})
	t.Run("is cut at once when its tunneler leaves the policy", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID, phoneID)
		s, stays := w.attach(t, "laptop"), w.attach(t, "phone")
		stream.policy(t, 2, phoneID)
		requireStatus(t, s.ends(t), codes.PermissionDenied, "revoked")
		stream.report(t, "laptop", true)
		require.NoError(t, stays.beat())
	})
	t.Run("is cut although its tunneler reads nothing", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		s := w.attach(t, "laptop")
		for range 10 { // acknowledgements pile up unread
			require.NoError(t, s.say(true))
		}
		stream.policy(t, 2)
		stream.report(t, "laptop", true)
	})
	t.Run("survives an older policy", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, phoneID)
		stream.policy(t, 5, laptopID)
		stream.applied(t, 5)
		s := w.attach(t, "laptop")
		stream.policy(t, 4, phoneID)
		stream.policy(t, 6, laptopID)
		stream.applied(t, 6)
		require.NoError(t, s.beat())
	})
	t.Run("replaces the older one, whose late end reports nothing", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID, phoneID)
		older := w.attach(t, "laptop")
		newer := w.attach(t, "laptop")
		requireStatus(t, older.ends(t), codes.Aborted, "replaced")
		require.NoError(t, newer.beat())
		w.attach(t, "phone")
		stream.until(t, "the phone, and no end of the laptop before", func(m *zerotrustv1.ConnectRequest) bool {
			require.False(t, m.GetTunneler().GetDetached(), "the old session's end was reported")
			return m.GetTunneler().GetTunnelerId() == "phone"
		})
	})
	t.Run("ends with a reason when the connector stops, and the controller hears it", func(t *testing.T) {
		t.Parallel()
		w, _, stream := linked(t, laptopID)
		s := w.attach(t, "laptop")
		ended := make(chan error, 1)
		go func() { _, err := s.Recv(); ended <- err }()
		w.stop()
		requireStatus(t, <-ended, codes.Unavailable, "stopping")
		stream.report(t, "laptop", true)
		<-stream.over
		require.Error(t, w.relay.ListenerReady(t.Context()))
	})
	t.Run("goes on while its SVID is swapped", func(t *testing.T) {
		t.Parallel()
		w, _, _ := linked(t, laptopID)
		own := w.ca.Identity(w.ca.SVID(t, laptopID))
		s, err := w.attempt(t, own, "laptop")
		require.NoError(t, err)
		own.Swap(w.ca.SVID(t, laptopID))
		w.identity.Swap(w.ca.SVID(t, connectorID))
		require.NoError(t, s.beat())
	})
}

func TestTunnelerRefusesAWrongConnector(t *testing.T) {
	t.Parallel()
	w, _, _ := linked(t, laptopID)
	w.identity.Swap(w.ca.SVID(t, phoneID)) // a tunneler listens at the connector's address
	_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
	require.ErrorContains(t, err, "expected one of [connector]")
}

var _ mtls.Identity = (*mtlstest.Identity)(nil)
