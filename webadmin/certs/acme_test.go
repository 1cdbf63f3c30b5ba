package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/certs"
)

const (
	name = "c.example.com"
	life = 90 * 24 * time.Hour
)

// acmeSite is a listener that gets its certificates from a fakeCA, in a bubble.
type acmeSite struct {
	*certs.ACME
	ca     *fakeCA
	dir    string
	tls    *tls.Config
	logs   *observer.ObservedLogs
	hangup chan os.Signal
	stop   func()
}

func open(t *testing.T, ca *fakeCA, dir string, domains ...string) *acmeSite {
	t.Helper()
	return openAs(t, ca, certs.ACMEConfig{Domains: domains, Dir: dir})
}

func openAs(t *testing.T, ca *fakeCA, c certs.ACMEConfig) *acmeSite {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	c.DirectoryURL, c.Transport = fakeURL+"/directory", ca
	a, err := certs.OpenACME(c, zap.New(core))
	require.NoError(t, err)
	s := &acmeSite{ACME: a, ca: ca, dir: filepath.Join(c.Dir, "ca.example%2Fdirectory"), tls: a.TLS(), logs: logs, hangup: make(chan os.Signal)}
	ca.listener = func() *tls.Config { return s.tls }
	return s
}

// obtain opens a site and runs it until the test ends, or stop is called.
func obtain(t *testing.T, ca *fakeCA, dir string, domains ...string) *acmeSite {
	t.Helper()
	return open(t, ca, dir, domains...).run(t)
}

func (s *acmeSite) run(t *testing.T) *acmeSite {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, s.hangup) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-done)
	}
	t.Cleanup(s.stop)
	synctest.Wait()
	return s
}

func (s *acmeSite) hello(name string, protocols ...string) (*tls.Certificate, error) {
	return s.tls.GetCertificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: protocols})
}

func (s *acmeSite) serial(t *testing.T, name string) int64 {
	t.Helper()
	cert, err := s.hello(name, "h2", "http/1.1")
	require.NoError(t, err)
	return cert.Leaf.SerialNumber.Int64()
}

func (s *acmeSite) fault() error { return certs.Fault(s.Certificates(), time.Now()) }

// after lets time pass in the bubble.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestACMEGetsACertificateAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := obtain(t, newFakeCA(life), dir, "C.example.com", "d.example.com", name)
		require.EqualValues(t, 1, s.serial(t, name))
		require.EqualValues(t, 1, s.serial(t, strings.ToUpper(name)))
		require.EqualValues(t, 2, s.serial(t, "d.example.com"))
		require.Equal(t, []string{name, "d.example.com"}, s.ca.orders)
		require.Equal(t, []string{"proof of " + name, "proof of d.example.com"}, s.ca.proofs)
		require.NoError(t, s.fault())
		require.Contains(t, s.tls.NextProtos, "acme-tls/1")
		require.Equal(t, tls.NoClientCert, s.tls.ClientAuth)
		for _, file := range []string{"account.key", name + ".pem", "d.example.com.pem"} {
			info, err := os.Stat(filepath.Join(s.dir, file))
			require.NoError(t, err)
			require.EqualValues(t, 0o600, info.Mode().Perm(), file)
		}
	})
}

func TestACMEKeepsItsCertificateOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		s := obtain(t, ca, dir, name)
		key, err := os.ReadFile(filepath.Join(s.dir, "account.key"))
		require.NoError(t, err)
		s.stop()

		requests := ca.at("/")
		again := obtain(t, ca, dir, name)
		require.EqualValues(t, 1, again.serial(t, name))
		require.Equal(t, requests, ca.at("/"), "nobody is asked")
		after(life/3*2 + time.Minute)
		require.EqualValues(t, 2, again.serial(t, name))
		same, err := os.ReadFile(filepath.Join(s.dir, "account.key"))
		require.NoError(t, err)
		require.Equal(t, key, same, "the account stays")
	})
}

func TestACMERenewsAfterTwoThirdsOfALife(t *testing.T) {
	t.Parallel()
	for _, life := range []time.Duration{90 * 24 * time.Hour, 6 * 24 * time.Hour, time.Hour, 30 * time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s := obtain(t, newFakeCA(life), dir, name)
				before, err := s.hello(name)
				require.NoError(t, err)
				after(life / 2)
				require.EqualValues(t, 1, s.serial(t, name))
				after(life / 5)
				require.EqualValues(t, 2, s.serial(t, name))
				now, err := s.hello(name)
				require.NoError(t, err)
				require.NotEqual(t, before.PrivateKey, now.PrivateKey, "with a new key")
			})
		})
	}
}

// TestAHandshakeOrdersNothing: a stranger who can cause orders uses up what the server
// allows, and then no renewal is possible.
func TestAHandshakeOrdersNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newFakeCA(life), dir, name) // it does not run
		for _, asked := range []string{"evil.example", "", "192.0.2.1", "*.example.com", "x." + name, name + ".", "../account.key", name, strings.Repeat("x", 4096)} {
			for _, protocols := range [][]string{{"h2", "http/1.1"}, {"acme-tls/1"}, {"acme-tls/1", "h2"}, nil} {
				_, err := s.hello(asked, protocols...)
				require.Error(t, err, "%q %q", asked, protocols)
			}
		}
		require.Empty(t, s.ca.requests)
	})
}

func TestOnlyConfiguredDomainsAreAnswered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := obtain(t, newFakeCA(life), dir, name)
		requests := s.ca.at("/")
		for range 1000 {
			_, err := s.hello("evil.example", "h2")
			require.ErrorContains(t, err, "admin.acme.domains")
		}
		_, err := s.hello("evil.example", "acme-tls/1")
		require.ErrorContains(t, err, "admin.acme.domains")
		require.Equal(t, requests, s.ca.at("/"))
		require.Equal(t, 1, s.logs.FilterMessageSnippet("handshake refused").Len(), "a flood is one line")
	})
}

// TestAProofIsOnlyForTheServerThatAskedForIt: a proof that lies about after its validation
// would let whoever else can order for this name use it.
func TestAProofIsShownOnlyWhileItIsAskedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := obtain(t, newFakeCA(life), dir, name)
		_, err := s.hello(name, "acme-tls/1")
		require.ErrorContains(t, err, "no challenge")
		cert, err := s.hello(name, "acme-tls/1", "h2")
		require.NoError(t, err)
		require.EqualValues(t, 1, cert.Leaf.SerialNumber.Int64(), "who offers more than the proof is no validation")
	})
}

func TestAServerThatRefusesIsAskedAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.refuse = func(path string) (int, string, string) {
			if path == "/neworder" {
				return 403, "rejectedIdentifier", ""
			}
			return 0, "", ""
		}
		s := obtain(t, ca, dir, name)
		require.Equal(t, 1, ca.at("/neworder"))
		require.ErrorContains(t, s.fault(), "there is no certificate of "+name)
		require.ErrorContains(t, s.fault(), "correct admin.acme.domains")
		after(time.Hour)
		require.LessOrEqual(t, ca.at("/neworder"), 6, "Let's Encrypt allows five failures an hour")
		require.GreaterOrEqual(t, ca.at("/neworder"), 4)
		asked := ca.at("/neworder")
		after(48 * time.Hour)
		require.Less(t, ca.at("/neworder")-asked, 16)
		require.Equal(t, ca.at("/neworder"), s.logs.FilterMessage("admin certificate not obtained").Len())
		_, err := s.hello(name)
		require.ErrorContains(t, err, "no certificate")

		ca.refuses(nil)
		s.hangup <- syscall.SIGHUP
		synctest.Wait()
		require.EqualValues(t, 1, s.serial(t, name), "a signal tries at once")
		require.NoError(t, s.fault())
	})
}

func TestAServerThatAsksToWaitIsObeyed(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{"7200": 2 * time.Hour, "31536000": 24 * time.Hour} {
		t.Run(asked+" s", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ca := newFakeCA(life)
				ca.refuse = func(path string) (int, string, string) {
					if path == "/neworder" {
						return 429, "rateLimited", asked
					}
					return 0, "", ""
				}
				s := obtain(t, ca, dir, name)
				require.ErrorContains(t, s.fault(), "wait: ")
				after(want - time.Minute)
				require.Equal(t, 1, ca.at("/neworder"))
				after(want/5 + 2*time.Minute)
				require.Equal(t, 2, ca.at("/neworder"))
			})
		})
	}
}

func TestAFailedRenewalLeavesTheCertificateInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		s := obtain(t, ca, dir, name)
		ca.refuses(func(string) (int, string, string) { return -1, "", "" })
		after(life / 4 * 3)
		require.EqualValues(t, 1, s.serial(t, name))
		require.ErrorContains(t, s.fault(), "is valid until ")
		require.ErrorContains(t, s.fault(), "connection refused")
		require.ErrorContains(t, s.fault(), "check admin.acme.directory_url")
		c := s.Certificates()[0]
		require.WithinDuration(t, time.Now().Add(-life/12), c.Since, time.Hour)
		after(life / 4)
		require.EqualValues(t, 1, s.serial(t, name), "an expired one says more than a refused handshake")
		require.ErrorContains(t, s.fault(), "expired at ")
		ca.refuses(nil)
		after(7 * time.Hour)
		require.EqualValues(t, 2, s.serial(t, name))
		require.NoError(t, s.fault())
	})
}

func TestACertificateOfHoursIsTriedAgainWithinMinutes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(time.Hour)
		s := obtain(t, ca, dir, name)
		ca.refuses(func(string) (int, string, string) { return -1, "", "" })
		after(41 * time.Minute)
		require.Error(t, s.fault())
		ca.refuses(nil)
		after(7 * time.Minute)
		require.EqualValues(t, 2, s.serial(t, name))
	})
}

// TestAServerThatStallsDoesNotKeepTheOthersWaiting for longer than an attempt takes.
func TestAServerThatStallsIsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.spoil = func(path string) string {
			if path == "/order/"+name {
				return `{"status": "processing"}`
			}
			return ""
		}
		s := obtain(t, ca, dir, name, "d.example.com")
		after(3 * time.Minute)
		require.ErrorContains(t, s.fault(), "did not answer in time")
		require.EqualValues(t, 1, s.serial(t, "d.example.com"))
	})
}

func TestWhatTheServerIssuesIsChecked(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(*fakeCA){
		"another name": func(f *fakeCA) {
			f.issueFor = func(*x509.CertificateRequest) []string { return []string{"evil.example"} }
		},
		"it has expired": func(f *fakeCA) { f.life = -time.Minute },
		"another authorization": func(f *fakeCA) {
			f.spoil = func(path string) string {
				if strings.HasPrefix(path, "/authorization/") {
					return `{"status": "pending", "identifier": {"type": "dns", "value": "evil.example"}, "challenges": [{"type": "tls-alpn-01", "url": "` + fakeURL + `/challenge/x", "token": "x"}]}`
				}
				return ""
			}
		},
		"no certificate": func(f *fakeCA) {
			f.spoil = func(path string) string {
				if strings.HasPrefix(path, "/certificate/") {
					return `"x"`
				}
				return ""
			}
		},
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ca := newFakeCA(life)
				spoil(ca)
				s := obtain(t, ca, dir, name)
				_, err := s.hello(name)
				require.Error(t, err)
				require.Error(t, s.fault())
				_, err = os.Stat(filepath.Join(s.dir, name+".pem"))
				require.ErrorIs(t, err, os.ErrNotExist)
			})
		})
	}
}

// TestADomainThatCannotBeReachedSaysSo: the most frequent mistake.
func TestADomainThatCannotBeReachedSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		s := open(t, ca, dir, name)
		ca.listener = nil
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, nil) }()
		synctest.Wait()
		require.ErrorContains(t, s.fault(), "refused: 192.0.2.1:443")
		require.ErrorContains(t, s.fault(), "port 443 of "+name+": check the DNS record and the firewall")
		cancel()
		require.NoError(t, <-done)
	})
}

// TestAServerDoesNotAimTheController: whoever changes its directory must not reach what is
// at loopback, nor over plain HTTP.
func TestAServerDoesNotAimTheController(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.spoil = func(path string) string {
			if path == "/directory" {
				return `{"newNonce": "http://metadata.internal/nonce", "newAccount": "http://metadata.internal/account", "newOrder": "http://metadata.internal/order"}`
			}
			return ""
		}
		s := obtain(t, ca, dir, name)
		require.ErrorContains(t, s.fault(), "names a URL that the controller does not ask")
		require.Equal(t, 1, ca.at("/"))
	})
}

func TestAServerFillsNoMemory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.spoil = func(path string) string {
			if path == "/directory" {
				return `{"newNonce": "` + strings.Repeat("x", 2<<20) + `"}`
			}
			return ""
		}
		s := obtain(t, ca, dir, name)
		require.ErrorContains(t, s.fault(), "unexpected EOF")
		require.Less(t, len(s.fault().Error()), 2000)
	})
}

func TestSpoiledFilesOfACME(t *testing.T) {
	t.Parallel()
	t.Run("a certificate is ordered anew", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		put(t, certs.KeptACME(dir, fakeURL+"/directory", name), []byte("x"))
		synctest.Test(t, func(t *testing.T) {
			s := obtain(t, newFakeCA(life), dir, name)
			require.EqualValues(t, 1, s.serial(t, name))
			require.Equal(t, 1, s.logs.FilterMessageSnippet("kept certificate is of no use").Len())
		})
	})
	t.Run("an account is not begun anew in silence", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		put(t, filepath.Join(filepath.Dir(certs.KeptACME(dir, "", name)), "account.key"), []byte("x"))
		_, err := certs.OpenACME(certs.ACMEConfig{Domains: []string{name}, Dir: dir}, zap.NewNop())
		require.ErrorContains(t, err, "remove the file to begin a new account")
	})
	t.Run("of the CA", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "ca.pem")
		_, err := certs.OpenACME(certs.ACMEConfig{Domains: []string{name}, Dir: t.TempDir(), CAPath: file}, zap.NewNop())
		require.ErrorContains(t, err, "admin.acme.ca_path")
		require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
		_, err = certs.OpenACME(certs.ACMEConfig{Domains: []string{name}, Dir: t.TempDir(), CAPath: file}, zap.NewNop())
		require.ErrorContains(t, err, "has no certificate (PEM)")
	})
	t.Run("cannot be written", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s := open(t, newFakeCA(life), dir, name)
			require.NoError(t, os.RemoveAll(dir))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.Run(ctx, nil) }()
			synctest.Wait()
			require.EqualValues(t, 1, s.serial(t, name), "it is in use")
			require.Equal(t, 1, s.logs.FilterMessageSnippet("admin certificate not kept").Len())
			cancel()
			require.NoError(t, <-done)
		})
	})
}

// TestAStopIsNoFailure: who stops the controller must not read of an error.
func TestAStopIsNoFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.spoil = func(path string) string {
			if strings.HasPrefix(path, "/order/") {
				return `{"status": "processing"}`
			}
			return ""
		}
		s := obtain(t, ca, dir, name)
		s.stop()
		require.Zero(t, s.logs.FilterLevelExact(zapcore.ErrorLevel).Len())
	})
}

// TestTheContactOfTheAccountIsTheConfiguredOne: an account that was made with another one, or
// with none, gets it with the next renewal.
func TestTheContactOfTheAccountIsTheConfiguredOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		of := func(email string) *acmeSite {
			return openAs(t, ca, certs.ACMEConfig{Domains: []string{name}, Dir: dir, Email: email}).run(t)
		}
		of("ann@example.com").stop()
		require.Equal(t, []string{"mailto:ann@example.com"}, ca.contact)
		s := of("ops@example.com")
		after(life/3*2 + time.Minute)
		require.Equal(t, []string{"mailto:ops@example.com"}, ca.contact)
		require.EqualValues(t, 2, s.serial(t, name))
		s.stop()

		ca.refuse = func(path string) (int, string, string) {
			if path == "/account/1" {
				return 400, "invalidContact", ""
			}
			return 0, "", ""
		}
		s = of("nobody@example.invalid")
		after(life/3*2 + time.Minute)
		require.EqualValues(t, 3, s.serial(t, name), "a contact keeps no certificate from being renewed")
		require.NoError(t, s.fault())
		require.Equal(t, 1, s.logs.FilterMessageSnippet("check admin.acme.email").Len())
	})
}

// TestAServerMayTakeItsTimeToIssue: whoever gave up an order that is complete would make
// another one, and never have a certificate.
func TestAServerMayTakeItsTimeToIssue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		takes time.Duration
		gets  bool
	}{"five minutes": {5 * time.Minute, true}, "for ever": {life, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				ca := newFakeCA(life)
				ca.issueIn = c.takes
				s := obtain(t, ca, dir, "c.example.com")
				after(11 * time.Minute)
				require.Equal(t, 1, ca.at("/neworder"))
				if c.gets {
					require.EqualValues(t, 1, s.serial(t, "c.example.com"))
					return
				}
				require.ErrorContains(t, s.fault(), "did not answer in time")
			})
		})
	}
}

// TestTheClockIsAskedEachHour: it may be set, and a machine that slept has not counted.
func TestTheClockIsAskedEachHour(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s := openAs(t, newFakeCA(life), certs.ACMEConfig{Domains: []string{name}, Dir: dir, Now: now}).run(t)
		after(2 * time.Hour)
		require.Equal(t, 1, s.ca.at("/neworder"))
		ahead.Store(int64(life / 3 * 2))
		after(time.Hour + time.Second)
		require.EqualValues(t, 2, s.serial(t, name))
	})
}

// TestACertificateIsNotOrderedTwiceAtOnce, though its renewal is due when it comes: the clock
// is ahead, or the server gives it a past.
func TestACertificateIsNotOrderedTwiceAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(life)
		ca.past = life / 4 * 3
		orders := 0
		ca.refuse = func(path string) (int, string, string) {
			if path == "/neworder" {
				orders++
			}
			if orders > 3 {
				return -1, "", "" // so that this test ends
			}
			return 0, "", ""
		}
		s := obtain(t, ca, dir, name)
		after(life/30 - time.Minute)
		require.Equal(t, 1, ca.at("/neworder"))
		after(2 * time.Minute)
		require.Equal(t, 2, ca.at("/neworder"))
		require.EqualValues(t, 2, s.serial(t, name))
	})
}
