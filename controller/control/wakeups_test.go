package control

import (
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// TestAStreamHearsOfEachSignalAndOfItsEnd: one hint stands for all of them, and the first
// reason to end counts.
func TestAStreamHearsOfEachSignalAndOfItsEnd(t *testing.T) {
	t.Parallel()
	var policy, moved topic.Topic[int]
	w := newWakeups()
	w.follow(&policy, nil, &moved)
	woken := func() bool {
		select {
		case <-w.hint:
			return true
		default:
			return false
		}
	}
	require.False(t, woken())
	policy.Set(1)
	moved.Wake()
	require.True(t, woken())
	require.False(t, woken(), "one look for both")
	require.NoError(t, w.ended())
	w.end(io.EOF)
	w.end(errStopping)
	require.True(t, woken())
	require.Equal(t, io.EOF, w.ended())
	w.leave()
	policy.Set(2)
	moved.Wake()
	require.False(t, woken(), "it has left")
}

// TestAStreamThatComesWhenTheControllerStopsEnds: nobody ends it later.
func TestAStreamThatComesWhenTheControllerStopsEnds(t *testing.T) {
	t.Parallel()
	var s streams
	open, second, late := newWakeups(), newWakeups(), newWakeups()
	release := s.replace("c-01", open, func() {})
	s.replace("c-01", second, func() {})
	require.Equal(t, errReplaced, open.ended())
	release() // the late end of the older one
	s.end()
	require.Equal(t, errStopping, second.ended(), "the newer one is known still")
	s.replace("c-02", late, func() {})
	require.Equal(t, errStopping, late.ended())
}

// BenchmarkWait is what a change costs a stream before it says anything: to be woken, and
// to wait again. Before, it waited on eleven channels, two of them timers.
func BenchmarkWait(b *testing.B) {
	const streams = 10_000
	for name, wait := range map[string]func(news *topic.Topic[int], done func()){
		"one hint of three channels": func(news *topic.Topic[int], done func()) {
			w := newWakeups()
			w.follow(news)
			quiet := time.AfterFunc(silence, func() { w.end(errSilent) })
			defer quiet.Stop()
			in, turn := make(chan struct{}), make(chan struct{}, 1)
			for news.Get() >= 0 {
				done()
				select {
				case <-in:
				case <-turn:
				case <-w.hint:
				}
			}
		},
		"eleven channels": func(news *topic.Topic[int], done func()) {
			woken, stop := news.Subscribe()
			defer stop()
			quiet := time.NewTimer(silence)
			defer quiet.Stop()
			again := time.NewTimer(silence)
			again.Stop()
			var more [8]chan struct{}
			for i := range more {
				more[i] = make(chan struct{})
			}
			for news.Get() >= 0 {
				done()
				select {
				case <-woken:
				case <-more[0]:
				case <-more[1]:
				case <-more[2]:
				case <-more[3]:
				case <-more[4]:
				case <-more[5]:
				case <-more[6]:
				case <-more[7]:
				case <-again.C:
				case <-quiet.C:
				}
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			var news topic.Topic[int]
			var all, waiting sync.WaitGroup
			waiting.Add(streams)
			for range streams {
				all.Go(func() { wait(&news, waiting.Done) })
			}
			waiting.Wait()
			began := processCPU()
			for b.Loop() {
				waiting.Add(streams)
				news.Set(1)
				waiting.Wait()
			}
			b.ReportMetric(float64((processCPU()-began).Nanoseconds())/float64(b.N*streams), "cpu-ns/stream")
			news.Set(-1)
			all.Wait()
		})
	}
}

// processCPU is the time that this process has worked.
func processCPU() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it cannot fail with these arguments
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
