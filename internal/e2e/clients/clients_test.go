package clients_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/servers"
)

const mib = 1 << 20

// bulk is how much is carried in each direction.
func bulk() int64 {
	if *full {
		return 1 << 30
	}
	return 64 * mib
}

// TestUnmodifiedClientsReachRealServers in one world. Each compares what has arrived.
func TestUnmodifiedClientsReachRealServers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := clients{house: h}
	c.pg = h.postgres()
	c.sshd, c.key = h.ssh()
	c.git, c.gitSum = h.git(4 * mib)
	c.plain, c.secure, c.ca = h.web()
	c.redis = h.redis()
	c.first, c.hash, c.echo, c.ws = firstWord(t), hashes(t), echo(t), sockets(t)
	c.sum = random(t, h.Path("www/big"), bulk())
	h.Own("www/big")
	c.smallSum = random(t, h.Path("small"), mib)
	s := newSite(t)
	c.site = s
	targets := []string{c.pg, c.sshd, c.git, c.plain, c.secure, c.redis, c.first, c.hash, c.echo, c.ws}
	s.connect(1, targets...)
	s.allow("servers", targets...)
	c.config = s.Path("ssh_config")
	c.sshConfig()
	for name, test := range map[string]func(*testing.T){
		"curl, HTTP 1.1, bulk both ways, SOCKS5":        func(t *testing.T) { c.curl(t, "1.1", true) },
		"curl, HTTP 2, bulk both ways, listener":        func(t *testing.T) { c.curl(t, "2", false) },
		"ssh runs a command, connect and listener":      c.runsCommands,
		"scp and rsync, both ways":                      c.copies,
		"git clone, by ssh and by a listener":           c.clones,
		"psql":                                          c.queries,
		"redis-cli":                                     c.caches,
		"a websocket":                                   c.websocket,
		"a server that speaks first":                    c.speaksFirst,
		"nc -N: the end of one direction":               c.halfCloses,
		"writes of one byte":                            c.dribbles,
		"many connections of curl at once, one process": c.manyAtOnce,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			test(t)
			t.Logf("%.1f s", time.Since(begin).Seconds())
		})
	}
}

// clients are what a test of them needs.
type clients struct {
	*site
	*house

	pg, sshd, git, plain, secure, redis string
	first, hash, echo, ws               string
	key, ca, config                     string
	sum, smallSum, gitSum               string
}

// Path is that of a file of the world.
func (c *clients) Path(name string) string { return c.site.Path(name) }

// sshConfig is what grpctunneler ssh-config prints, and whose key and account it is.
func (c *clients) sshConfig() {
	t := c.site.t
	block := says(t, command{argv: []string{filepath.Join(c.Bin, "grpctunneler"), "ssh-config", "--socket", c.socket, "127.0.0.1"}})
	known := c.Path("known_hosts")
	block += fmt.Sprintf("Host *\n  Port %s\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile %s\n  BatchMode yes\n  LogLevel ERROR\n",
		port(t, c.sshd), servers.User, c.key, known)
	require.Contains(t, block, "ProxyCommand")
	require.NoError(t, os.WriteFile(c.config, []byte(block), 0o600))
}

// curl fetches and sends a large file and small ones, with the version of HTTP that is wanted.
func (c *clients) curl(t *testing.T, version string, socks bool) {
	url, args := "http://"+c.plain, []string{"--http1.1"}
	if version == "2" {
		at := c.secure
		if !socks {
			at = c.forwards[c.secure]
		}
		url, args = "https://"+at, []string{"--http2", "--cacert", c.ca}
	}
	args = append([]string{"curl", "--silent", "--show-error", "--fail", "--noproxy", "", "--max-time", "250"}, args...)
	if socks {
		args = append(args, "--proxy", "socks5h://"+c.socks)
	}
	got := sha256.New()
	began := time.Now()
	runTo(t, command{argv: append(args, url+"/big")}, got)
	down := time.Since(began)
	require.Equal(t, c.sum, hex.EncodeToString(got.Sum(nil)), "down")

	began = time.Now()
	name := "sent-" + version
	said := says(t, command{argv: append(args, "--write-out", "%{http_version} %{response_code}", "--upload-file", c.house.Path("www/big"), url+"/"+name)})
	require.Equal(t, version+" 201", said)
	up := time.Since(began)
	require.Equal(t, c.sum, sumOf(t, c.house.Path("www/"+name)), "up")
	require.NoError(t, os.Remove(c.house.Path("www/"+name)))
	t.Logf("%d MiB each: down %.1f s, up %.1f s", bulk()/mib, down.Seconds(), up.Seconds())
}

// manyAtOnce are 32 flows of one client.
func (c *clients) manyAtOnce(t *testing.T) {
	const flows = 32
	small, err := os.ReadFile(c.house.Path("small"))
	require.NoError(t, err)
	args := []string{"curl", "--silent", "--show-error", "--fail", "--noproxy", "", "--http1.1", "--proxy", "socks5h://" + c.socks, "--parallel", "--parallel-immediate", "--parallel-max", fmt.Sprint(flows)}
	require.NoError(t, os.WriteFile(c.house.Path("www/small"), small, 0o644))
	dir := t.TempDir()
	for i := range flows {
		args = append(args, "--output", filepath.Join(dir, fmt.Sprint(i)), "http://"+c.plain+"/small")
	}
	says(t, command{argv: args})
	for i := range flows {
		require.Equal(t, c.smallSum, sumOf(t, filepath.Join(dir, fmt.Sprint(i))))
	}
}

func (c *clients) runsCommands(t *testing.T) {
	small, err := os.ReadFile(c.house.Path("small"))
	require.NoError(t, err)
	sum := command{argv: []string{"ssh", "-F", c.config, "127.0.0.1", "sha256sum; exit 0"}}
	sum.stdin = strings.NewReader(string(small))
	require.Equal(t, c.smallSum, strings.Fields(says(t, sum))[0], "by grpctunneler connect")
	host, fwd, err := net.SplitHostPort(c.forwards[c.sshd])
	require.NoError(t, err)
	sum.argv = []string{"ssh", "-F", c.config, "-o", "ProxyCommand=none", "-p", fwd, host, "sha256sum; exit 0"}
	sum.stdin = strings.NewReader(string(small))
	require.Equal(t, c.smallSum, strings.Fields(says(t, sum))[0], "by the listener")
}

func (c *clients) copies(t *testing.T) {
	dir := t.TempDir()
	remote := "127.0.0.1:" + c.house.Path("home")
	says(t, command{argv: []string{"scp", "-q", "-S", servers.Tool(t, "ssh"), "-F", c.config, c.house.Path("small"), remote + "/by-scp"}})
	require.Equal(t, c.smallSum, sumOf(t, c.house.Path("home/by-scp")))
	says(t, command{argv: []string{"scp", "-q", "-S", servers.Tool(t, "ssh"), "-F", c.config, remote + "/by-scp", dir + "/back"}})
	require.Equal(t, c.smallSum, sumOf(t, dir+"/back"))

	shell := servers.Tool(t, "ssh") + " -F " + c.config
	c.Mkdir("tree")
	sum := random(t, c.house.Path("tree/a"), 3*mib)
	says(t, command{argv: []string{"rsync", "-r", "-z", "-e", shell, c.house.Path("tree") + "/", remote + "/by-rsync"}})
	require.Equal(t, sum, sumOf(t, c.house.Path("home/by-rsync/a")))
	says(t, command{argv: []string{"rsync", "-r", "-e", shell, remote + "/by-rsync/", dir + "/tree"}})
	require.Equal(t, sum, sumOf(t, dir+"/tree/a"))
}

func (c *clients) clones(t *testing.T) {
	dir := t.TempDir()
	for name, from := range map[string]string{
		"ssh":      "ssh://127.0.0.1" + c.house.Path("git/repo.git"),
		"listener": "git://" + c.forwards[c.git] + "/repo.git",
	} {
		says(t, command{
			argv: []string{"git", "clone", "-q", from, filepath.Join(dir, name)},
			env:  []string{"GIT_SSH_COMMAND=" + servers.Tool(t, "ssh") + " -F " + c.config, "GIT_CONFIG_NOSYSTEM=1", "HOME=" + dir},
		})
		require.Equal(t, c.gitSum, sumOf(t, filepath.Join(dir, name, "big")), name)
	}
}

func (c *clients) queries(t *testing.T) {
	host, fwd, err := net.SplitHostPort(c.forwards[c.pg])
	require.NoError(t, err)
	psql := func(stdin, query string) string {
		return strings.TrimSpace(says(t, command{
			argv: []string{"psql", "-X", "-h", host, "-p", fwd, "-U", servers.User, "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-Atq", "-c", query}, stdin: strings.NewReader(stdin),
			env: []string{"PGSSLMODE=disable", "PGGSSENCMODE=disable"},
		}))
	}
	require.Equal(t, "5000050000", psql("", "select sum(i) from generate_series(1, 100000) i"))
	var rows strings.Builder
	for i := range 100_000 {
		fmt.Fprintln(&rows, i)
	}
	psql("", "create table numbers (n bigint)")
	psql(rows.String(), "copy numbers from stdin")
	require.Equal(t, strings.TrimSpace(rows.String()), psql("", "copy (select n from numbers order by n) to stdout"))
}

func (c *clients) caches(t *testing.T) {
	host, fwd, err := net.SplitHostPort(c.forwards[c.redis])
	require.NoError(t, err)
	value := make([]byte, mib/2)
	_, _ = rand.Read(value)
	text := hex.EncodeToString(value)
	cli := []string{"redis-cli", "-h", host, "-p", fwd}
	require.Equal(t, "PONG\n", says(t, command{argv: append(cli, "ping")}))
	require.Equal(t, "OK\n", says(t, command{argv: append(cli, "-x", "set", "k"), stdin: strings.NewReader(text)}))
	require.Equal(t, text+"\n", says(t, command{argv: append(cli, "get", "k")}))
}

// websocket is the client of Node.js.
func (c *clients) websocket(t *testing.T) {
	script := `
const ws = new WebSocket('ws://` + c.forwards[c.ws] + `/');
const messages = ['a', 'b'.repeat(100000), 'ü'.repeat(70000), ''], got = [];
ws.onopen = () => messages.forEach((m) => ws.send(m));
ws.onmessage = (e) => { got.push(e.data); if (got.length === messages.length) ws.close(); };
ws.onclose = () => { console.log(JSON.stringify(got) === JSON.stringify(messages) ? 'the same' : got.map((m) => m.length)); };
ws.onerror = (e) => { console.error(e.message || e.error); process.exit(1); };
`
	require.Equal(t, "the same\n", says(t, command{argv: []string{"node", "--experimental-websocket", "--input-type=module", "-e", script}, env: []string{"NODE_NO_WARNINGS=1"}}))
}

func (c *clients) speaksFirst(t *testing.T) {
	for name, argv := range map[string][]string{
		"SOCKS5":   append([]string{"nc.openbsd", "-d", "-X", "5", "-x", c.socks}, strings.Split(c.first, ":")...),
		"listener": append([]string{"nc.openbsd", "-d"}, strings.Split(c.forwards[c.first], ":")...),
		"connect":  {filepath.Join(c.Bin, "grpctunneler"), "connect", "--socket", c.socket, c.first},
	} {
		silent, end, err := os.Pipe() // the client says nothing, and its input does not end
		require.NoError(t, err)
		require.Equal(t, greeting, says(t, command{argv: argv, stdin: silent}), name)
		_ = errors.Join(silent.Close(), end.Close())
	}
}

func (c *clients) halfCloses(t *testing.T) {
	for name, argv := range map[string][]string{
		"SOCKS5":   append([]string{"nc.openbsd", "-N", "-X", "5", "-x", c.socks}, strings.Split(c.hash, ":")...),
		"listener": append([]string{"nc.openbsd", "-N"}, strings.Split(c.forwards[c.hash], ":")...),
		"connect":  {filepath.Join(c.Bin, "grpctunneler"), "connect", "--socket", c.socket, c.hash},
	} {
		f, err := os.Open(c.house.Path("small"))
		require.NoError(t, err)
		require.Equal(t, c.smallSum, says(t, command{argv: argv, stdin: f}), name)
		_ = f.Close()
	}
}

// dribbles has each byte written alone: first without waiting, then each for its echo.
func (c *clients) dribbles(t *testing.T) {
	const many, one = 20_000, 500
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", c.forwards[c.echo])
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.(*net.TCPConn).SetNoDelay(true))
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	sent := make([]byte, many)
	_, _ = rand.Read(sent)
	wrote := make(chan error, 1)
	go func() {
		for i := range sent {
			if _, err := conn.Write(sent[i : i+1]); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	got := make([]byte, many)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	require.Equal(t, sent, got)
	for i := range one {
		_, err := conn.Write(sent[i : i+1])
		require.NoError(t, err)
		_, err = io.ReadFull(conn, got[:1])
		require.NoError(t, err)
		require.Equal(t, sent[i], got[0])
	}
}
