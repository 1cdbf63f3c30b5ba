package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

const (
	wantSwaps = 2
	// swapsWithin is two half-lives of a minute, twice.
	swapsWithin = 2 * time.Minute
)

// check looks at the running system from outside: the admin API and the commands.
func (d *demo) check(ctx context.Context) error {
	for _, c := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"both are ONLINE for the command line", d.checkCLI},
		{"the spent token is refused to a second host", d.checkSpentToken},
		{"curl reaches the web server, and is refused once the grant is withdrawn", d.checkReach},
		{fmt.Sprintf("at least %d SVID rotations on both, on the same streams", wantSwaps), d.checkRotations},
	} {
		begin := time.Now()
		if err := c.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		fmt.Printf("   ok    %s (%.1f s)\n", c.what, time.Since(begin).Seconds())
	}
	return nil
}

func (d *demo) checkCLI(ctx context.Context) error {
	connectors, err := list[adminapi.Connector](ctx, d, "connectors")
	if err != nil {
		return err
	}
	tunnelers, err := list[adminapi.Tunneler](ctx, d, "tunnelers")
	if err != nil {
		return err
	}
	if len(connectors) != 1 || connectors[0].Status != adminapi.Online {
		return fmt.Errorf("connectors: %+v", connectors)
	}
	if len(tunnelers) != 1 || tunnelers[0].Status != adminapi.Online || tunnelers[0].ConnectorID != d.connector.ID {
		return fmt.Errorf("tunnelers: %+v", tunnelers)
	}
	return nil
}

func list[T any](ctx context.Context, d *demo, what string) (out []T, err error) {
	r, err := d.controller.CLI(ctx, what, "list", "-o", "json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		return nil, fmt.Errorf("%s list -o json: %w: %s", what, err, r.Stderr)
	}
	return out, nil
}

func (d *demo) checkSpentToken(ctx context.Context) error {
	thief := d.controller.NewHost(filepath.Join(d.dir, "host-c"), d.connector.Kind, d.connector.ID)
	r, err := thief.Enroll(ctx, d.token)
	if err != nil {
		return err
	}
	if r.Code != 3 || !strings.Contains(r.Stderr, "refused") {
		return fmt.Errorf("exit %d, expected 3: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	if strings.Contains(r.Stdout+r.Stderr, d.token) {
		return fmt.Errorf("the refusal prints the token")
	}
	return nil
}

func (d *demo) checkRotations(ctx context.Context) error {
	api := d.controller.Client()
	hosts := []*world.Host{d.connector, d.tunneler}
	seen := make([]history, len(hosts))
	return world.Eventually(ctx, swapsWithin, "rotations", func(ctx context.Context) error {
		for i, h := range hosts {
			s, err := h.Seen(ctx, api)
			if err != nil {
				return err
			}
			seen[i].note(s)
		}
		for i, h := range hosts {
			if seen[i].reopens > 0 {
				return fmt.Errorf("the stream of %s was opened anew", h.ID)
			}
			if seen[i].swaps < wantSwaps {
				return fmt.Errorf("%s rotated %d times", h.ID, seen[i].swaps)
			}
		}
		for i, h := range hosts {
			fmt.Printf("         %s: %d rotations, stream open for %.0f s\n", h.ID, seen[i].swaps, time.Since(seen[i].since).Seconds())
		}
		return nil
	})
}
