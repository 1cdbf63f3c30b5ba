package proc_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

// The test binary plays the children: this variable names the part.
const (
	roleVariable = "SUPERVISOR_TEST_ROLE"
	fileVariable = "SUPERVISOR_TEST_FILE"
)

// joinToken is one of SPIRE's, which is part of the agent's SPIFFE ID until it is spent.
const joinToken = "5a1d3bf1-c3d2-4b7a-9f0e-2f1d0c9b8a76"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(play(role, os.Getenv(fileVariable)))
	}
	goleak.VerifyTestMain(m)
}

func play(role, file string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	switch role {
	case "crash":
		return 3
	case "crash once":
		if _, err := os.Stat(file); err != nil {
			_ = os.WriteFile(file, nil, 0o600)
			return 4
		}
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ignoring SIGTERM")
		select {}
	case "talk":
		fmt.Println(`{"level":"warning","msg":"Node attested","time":"2026-01-01T00:00:00Z","spiffe_id":"spiffe://a/b","port":8081,"logger":"x"}`)
		fmt.Println(`{"level":"fatal","msg":"Fatal run error"}`)
		fmt.Fprintln(os.Stderr, "panic: not JSON")
		fmt.Println("plain line")
		fmt.Println(`{"level":"info","msg":"agent spiffe://a/spire/agent/join_token/` + joinToken + ` attested","spiffe_id":"spiffe://a/spire/agent/join_token/` + joinToken + `","ids":["spiffe://a/spire/agent/join_token/` + joinToken + `","spiffe://a/spire/agent/join_token/` + joinToken + `/x"]}`)
		fmt.Fprintln(os.Stderr, "cannot attest spiffe://a/spire/agent/join_token/"+joinToken+", giving up")
		fmt.Println(strings.Repeat("x", 1<<20))
		fmt.Print("half a line")
		return 0
	case "grumble":
		for i := range 1000 {
			fmt.Printf(`{"level":"error","msg":"Failed to collect all selectors for PID","pid":7,"port":%d,"error":"no D-Bus for %d"}`+"\n", i, i)
			fmt.Printf(`{"level":"info","msg":"API accessed","status":"success","request_id":"%d","method":"SyncAuthorizedEntries"}`+"\n", i)
			fmt.Printf(`{"level":"info","msg":"API accessed","status":"error","status_message":"agent is banned","request_id":"%d"}`+"\n", i)
		}
		for i := range 20 {
			fmt.Printf(`{"level":"error","msg":"No identity issued","pid":%d,"registered":false}`+"\n", i)
			fmt.Printf(`{"level":"info","msg":"Agent banned","agent_id":"spiffe://a/host-%d"}`+"\n", i)
		}
		fmt.Println("the end")
	case "environment":
		_ = os.WriteFile(file, []byte(strings.Join(os.Environ(), "\n")), 0o600)
	case "parent":
		return playParent(file)
	case "group":
		_ = os.WriteFile(file, []byte(strconv.Itoa(syscall.Getpgrp())), 0o600)
	}
	<-signals
	return 0
}

// playParent supervises a child, writes down its process id and waits for its
// own murder.
func playParent(file string) int {
	p, err := proc.New(proc.Config{
		Name: "child", Path: "/proc/self/exe", Env: []string{roleVariable + "=stubborn"}, Logger: zap.NewNop(),
	})
	if err != nil {
		return 1
	}
	go func() { _ = p.Run(context.Background()) }()
	if err := p.WaitReady(context.Background()); err != nil {
		return 1
	}
	temporary := file + ".new"
	_ = os.WriteFile(temporary, []byte(strconv.Itoa(p.Status().PID)), 0o600)
	_ = os.Rename(temporary, file)
	select {}
}
