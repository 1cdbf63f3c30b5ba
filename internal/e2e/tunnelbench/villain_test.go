package tunnelbench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// villain is what the process of the hostile flows needs to know; its SVID is in files.
type villain struct {
	SVID, Key, Bundle string
	TrustDomain       string
	Connector         string // its address
	Target, Missing   string // one that is granted, and one that is not
	ID                string
}

// playVillain has a session, and hostile flows bound to it, until the process is killed.
func playVillain(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var v villain
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	td, err := spiffeid.TrustDomainFromString(v.TrustDomain)
	if err != nil {
		return err
	}
	svid, err := x509svid.Load(v.SVID, v.Key)
	if err != nil {
		return err
	}
	bundle, err := x509bundle.Load(td, v.Bundle)
	if err != nil {
		return err
	}
	own := new(mtlstest.Identity)
	own.Swap(svid)
	own.Trust(bundle)
	links := make(chan *mtls.Conn, 1)
	conn, err := grpc.NewClient("passthrough:///"+v.Connector, grpc.WithTransportCredentials(mtls.ClientCredentials(
		mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)), func(c *mtls.Conn) error { links <- c; return nil })))
	if err != nil {
		return err
	}
	return reproof.NewClient(own, zap.NewNop()).Around(context.Background(), conn, func(ctx context.Context) error {
		s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
		if err != nil {
			return err
		}
		instance := flow.NewInstance()
		beat := &zerotrustv1.TunnelerHeartbeat{TunnelerId: v.ID, Version: "v1"}
		if err := s.Send(&zerotrustv1.SessionRequest{Sequence: 1, Heartbeat: beat, Instance: instance[:]}); err != nil {
			return err
		}
		first, err := s.Recv()
		if err != nil {
			return err
		}
		named, ok := flow.ParseSessionID(first.GetSessionId())
		if !ok {
			return errors.New("the session has no id")
		}
		key, err := (<-links).Derive(flow.KeyLabel)
		if err != nil {
			return err
		}
		p := &party{villain: v, own: own, td: td, session: named, key: flow.Key(key)}
		p.begin(ctx)
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for n := uint64(2); ; n++ {
			<-tick.C
			if err := s.Send(&zerotrustv1.SessionRequest{Sequence: n, Heartbeat: beat}); err != nil {
				return err
			}
			if _, err := s.Recv(); err != nil {
				return err
			}
		}
	})
}

// party are the hostile flows.
type party struct {
	villain

	own     *mtlstest.Identity
	td      spiffeid.TrustDomain
	session flow.SessionID
	key     flow.Key

	bound, broke, refused, opened, cuts atomic.Int64
}

// begin starts all of them, each with a thing that it does again and again.
func (p *party) begin(ctx context.Context) {
	doing := []func(net.Conn) error{p.malformed, p.oversized, p.stalls, p.neverReads, p.floodsRefused, p.floodsGranted}
	var ready sync.WaitGroup
	for i := range hostile {
		ready.Add(1)
		go func() { // ends with the process
			first := sync.OnceFunc(ready.Done)
			for {
				c, err := p.bind(ctx)
				if err != nil { // the connector takes only so many connections of an address
					p.broke.Add(1)
					<-time.After(20 * time.Millisecond)
					continue
				}
				p.bound.Add(1)
				first()
				_ = doing[i%len(doing)](c)
				_ = c.Close()
			}
		}()
	}
	go func() { // ends with the process
		ready.Wait()
		for range time.Tick(time.Second) {
			fmt.Printf("bound %d, turned away %d, cut %d, opens refused %d, opens allowed %d\n", p.bound.Load(), p.broke.Load(), p.cuts.Load(), p.refused.Load(), p.opened.Load())
		}
	}()
}

// bind makes a connection that belongs to the session.
func (p *party) bind(ctx context.Context) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)} // another host than that of the good one
	raw, err := (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", p.Connector)
	if err != nil {
		return nil, err
	}
	c, of, err := mtls.DialFlow(ctx, raw, mtls.ClientConfig(p.own, mtls.Kinds(p.td, identity.KindConnector)))
	if err != nil {
		return nil, err
	}
	value, err := of.Derive(flow.ConnectionLabel)
	if err == nil {
		b := flow.Binding{Role: flow.RoleTunneler, Session: p.session, Tunneler: of.Self(), Connector: of.Peer(), Connection: value}
		_, err = c.Write(flow.Append(nil, flow.TypeBind, flow.Claim{Session: p.session, MAC: b.MAC(p.key)}.AppendClaim(nil)...))
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// open asks for a target and takes the answer.
func (p *party) open(c net.Conn, to string) error {
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return err
	}
	t := flow.Target{Host: host, Port: uint16(n)}
	if _, err := c.Write(flow.Append(nil, flow.TypeOpen, t.AppendOpen(nil)...)); err != nil {
		return err
	}
	answer := make([]byte, 2*flow.HeaderSize+1) // seen, and the result
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if code := flow.Code(answer[len(answer)-1]); code != flow.CodeOK {
		p.refused.Add(1)
		return code.Err()
	}
	p.opened.Add(1)
	return nil
}

// ended waits until the connector has had enough. What it sends before that is its reset.
func ended(c net.Conn) error {
	_, err := io.Copy(io.Discard, c)
	return err
}

// cut is ended for what the connector has to cut.
func (p *party) cut(c net.Conn) error {
	err := ended(c)
	p.cuts.Add(1)
	return err
}

// malformed sends what is no frame.
func (p *party) malformed(c net.Conn) error {
	_, _ = c.Write([]byte{99, 0, 0, 1, 0})
	return p.cut(c)
}

// oversized says that more comes than may.
func (p *party) oversized(c net.Conn) error {
	if err := p.open(c, p.Target); err != nil {
		return err
	}
	_, _ = c.Write([]byte{byte(flow.TypeData), 0xff, 0xff, 0xff})
	return p.cut(c)
}

// stalls in the middle of a frame.
func (p *party) stalls(c net.Conn) error {
	if err := p.open(c, p.Target); err != nil {
		return err
	}
	_, _ = c.Write([]byte{byte(flow.TypeData), 3, 0xff})
	return ended(c)
}

// neverReads asks for much and takes none of it.
func (p *party) neverReads(c net.Conn) error {
	if err := p.open(c, p.Target); err != nil {
		return err
	}
	_, _ = c.Write(flow.Append(nil, flow.TypeData, provides, 0, 0, 1, 0, 0, 0, 0, 0))
	<-time.After(time.Minute)
	return nil
}

// floodsRefused opens what it may not have, without a pause.
func (p *party) floodsRefused(c net.Conn) error {
	for {
		if err := p.open(c, p.Missing); err != nil && !errors.Is(err, flow.ErrRefused) {
			return err
		}
	}
}

// floodsGranted opens what it may have, and ends it, without a pause.
func (p *party) floodsGranted(c net.Conn) error {
	for {
		if err := p.open(c, p.Target); err != nil {
			return err
		}
		if _, err := c.Write(flow.Append(nil, flow.TypeFin)); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, flow.HeaderSize)); err != nil { // its fin
			return err
		}
	}
}
