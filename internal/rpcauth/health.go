package rpcauth

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// fresh is how old an answer may be, and how often a watcher looks.
	fresh = time.Second
	// watchesPerCaller and watchesInAll bound the streams that are held open.
	watchesPerCaller = 2
	watchesInAll     = 256
)

// HealthConfig configures a Health.
type HealthConfig struct {
	// Services of the listener, by full name. The empty name, which is the listener
	// as a whole, is known too and has the same state.
	Services []string
	// Failing says why the listener is of no use at the moment; nil is SERVING. The
	// caller does not get the reason. Optional.
	Failing func(context.Context) error
	// Admit refuses, with a gRPC status, a caller that the rules of the listener let
	// through. It is asked again while a watcher watches. Optional.
	Admit func(context.Context) error
	// Stopping is closed when the listener stops.
	Stopping <-chan struct{}
}

// Health implements grpc.health.v1.Health.
type Health struct {
	healthv1.UnimplementedHealthServer
	cfg HealthConfig

	mu    sync.Mutex // held while Failing is asked
	asked time.Time
	last  healthv1.HealthCheckResponse_ServingStatus

	watching  sync.Mutex
	watches   map[identity.Workload]int
	watchesUp int
}

// NewHealth makes the service of one listener.
func NewHealth(cfg HealthConfig) *Health {
	if cfg.Failing == nil {
		cfg.Failing = func(context.Context) error { return nil }
	}
	if cfg.Admit == nil {
		cfg.Admit = func(context.Context) error { return nil }
	}
	cfg.Services = append([]string{""}, cfg.Services...)
	return &Health{cfg: cfg, watches: map[identity.Workload]int{}}
}

// Check implements healthv1.HealthServer.
func (s *Health) Check(ctx context.Context, req *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	if err := s.cfg.Admit(ctx); err != nil {
		return nil, err
	}
	if !slices.Contains(s.cfg.Services, req.GetService()) {
		return nil, status.Error(codes.NotFound, "unknown service")
	}
	return &healthv1.HealthCheckResponse{Status: s.state(ctx)}, nil
}

// List implements healthv1.HealthServer.
func (s *Health) List(ctx context.Context, _ *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	if err := s.cfg.Admit(ctx); err != nil {
		return nil, err
	}
	out := &healthv1.HealthListResponse{Statuses: map[string]*healthv1.HealthCheckResponse{}}
	state := s.state(ctx)
	for _, name := range s.cfg.Services {
		out.Statuses[name] = &healthv1.HealthCheckResponse{Status: state}
	}
	return out, nil
}

// Watch implements healthv1.HealthServer.
func (s *Health) Watch(req *healthv1.HealthCheckRequest, stream healthv1.Health_WatchServer) error {
	ctx := stream.Context()
	if err := s.cfg.Admit(ctx); err != nil {
		return err
	}
	release, ok := s.enter(ctx)
	if !ok {
		return status.Error(codes.ResourceExhausted, "too many watchers")
	}
	defer release()
	tick := time.NewTicker(fresh)
	defer tick.Stop()
	sent := healthv1.HealthCheckResponse_UNKNOWN
	for {
		state := healthv1.HealthCheckResponse_SERVICE_UNKNOWN
		if slices.Contains(s.cfg.Services, req.GetService()) {
			state = s.state(ctx)
		}
		if state != sent {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: state}); err != nil {
				return err
			}
			sent = state
		}
		select {
		case <-tick.C:
			if err := s.cfg.Admit(ctx); err != nil {
				return err
			}
		case <-s.cfg.Stopping:
			return s.farewell(stream, sent)
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// farewell ends a watch at shutdown, so that it holds nothing up.
func (s *Health) farewell(stream healthv1.Health_WatchServer, sent healthv1.HealthCheckResponse_ServingStatus) error {
	if sent == healthv1.HealthCheckResponse_SERVING {
		_ = stream.Send(&healthv1.HealthCheckResponse{Status: healthv1.HealthCheckResponse_NOT_SERVING})
	}
	return status.Error(codes.Unavailable, "stopping")
}

// enter counts a watcher.
func (s *Health) enter(ctx context.Context) (release func(), ok bool) {
	caller, _ := Caller(ctx) // the zero one is all who have no name, together
	s.watching.Lock()
	defer s.watching.Unlock()
	if s.watches[caller] >= watchesPerCaller || s.watchesUp >= watchesInAll {
		return nil, false
	}
	s.watches[caller]++
	s.watchesUp++
	return func() {
		s.watching.Lock()
		defer s.watching.Unlock()
		s.watchesUp--
		if s.watches[caller]--; s.watches[caller] == 0 {
			delete(s.watches, caller)
		}
	}, true
}

// state asks at most once in fresh, whoever calls. The caller's cancellation does not
// count: otherwise one that hangs up would make the others see NOT_SERVING.
func (s *Health) state(ctx context.Context) healthv1.HealthCheckResponse_ServingStatus {
	select {
	case <-s.cfg.Stopping:
		return healthv1.HealthCheckResponse_NOT_SERVING
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked.IsZero() || time.Since(s.asked) >= fresh {
		s.last = healthv1.HealthCheckResponse_SERVING
		if s.cfg.Failing(context.WithoutCancel(ctx)) != nil {
			s.last = healthv1.HealthCheckResponse_NOT_SERVING
		}
		s.asked = time.Now()
	}
	return s.last
}
