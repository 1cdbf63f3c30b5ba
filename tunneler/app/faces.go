package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
)

// socketFile is the local socket, in the runtime directory of the unit or else in the state
// directory.
const socketFile = "tunneler.sock"

// FacesConfig is how programs of this host reach resources.
type FacesConfig struct {
	LocalSocket string   `conf:"local_socket" usage:"socket of grpctunneler connect and resources (default: tunneler.sock in /run/grpctunneler or in STATE_DIR)"`
	SOCKSListen string   `conf:"socks_listen" usage:"loopback address for SOCKS5, such as 127.0.0.1:1080; empty is none"`
	HTTPListen  string   `conf:"http_listen" usage:"loopback address for HTTP CONNECT, such as 127.0.0.1:3128; empty is none"`
	Forwards    []string `conf:"forwards" usage:"local addresses that lead to one target each, as LISTEN=HOST:PORT, such as 127.0.0.1:15432=db.dev.corp:5432; LISTEN may be the path of a socket"`
	AllowUsers  []string `conf:"allow_users" usage:"names or uids of those whose programs may connect; root and the tunneler's own user always may"`
}

// check adds its faults.
func (c *FacesConfig) check(f *settings.Faults) {
	if c.LocalSocket != "" {
		if err := localsocket.CheckPath(c.LocalSocket); err != nil {
			f.Add("local_socket", "%v", err)
		}
	}
	for key, address := range map[string]string{"socks_listen": c.SOCKSListen, "http_listen": c.HTTPListen} {
		if address != "" {
			f.Require(isLocal(address), key, "must be a loopback address, host:port: whoever reaches it reaches the resources; is %q", address)
		}
	}
	all := []settings.Listener{{Key: "socks_listen", Address: c.SOCKSListen}, {Key: "http_listen", Address: c.HTTPListen}}
	sockets := map[string]bool{c.LocalSocket: c.LocalSocket != ""}
	for _, text := range c.Forwards {
		at, err := parseForward(text)
		if err != nil {
			f.Add("forwards", "%v", err)
			continue
		}
		if at.Network == "tcp" {
			all = append(all, settings.Listener{Key: "forwards", Address: at.Address})
			continue
		}
		f.Require(!sockets[at.Address], "forwards", "names the socket %s twice", at.Address)
		sockets[at.Address] = true
	}
	for _, name := range c.AllowUsers {
		if _, err := listen.ParseUser(name); err != nil {
			f.Add("allow_users", "%v", err)
		}
	}
	f.Apart(all...)
}

// isLocal says whether one can listen at host:port, and only this host reaches it.
func isLocal(address string) bool {
	return settings.IsListener(address) && settings.IsLoopback(address)
}

// describeFaces says for a human where programs of this host connect.
func (c *Config) describeFaces() string {
	faces, _, err := c.faces()
	if err != nil {
		return err.Error()
	}
	lines := make([]string, 0, len(faces))
	for _, f := range faces {
		line := string(f.Protocol) + " at " + f.Address
		if f.Protocol == listen.Forward {
			line += " to " + f.Target.String()
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return "nowhere: LOCAL_SOCKET, SOCKS_LISTEN, HTTP_LISTEN and FORWARDS are empty"
	}
	return strings.Join(lines, "\n                 ")
}

// parseForward reads LISTEN=HOST:PORT.
func parseForward(text string) (listen.Face, error) {
	at, to, ok := strings.Cut(text, "=")
	if !ok {
		return listen.Face{}, fmt.Errorf("%q is not LISTEN=HOST:PORT", text)
	}
	target, err := parseTarget(to)
	if err != nil {
		return listen.Face{}, fmt.Errorf("%q: %w", text, err)
	}
	f := listen.Face{Protocol: listen.Forward, Network: "tcp", Address: at, Target: target}
	if strings.HasPrefix(at, "/") {
		f.Network, f.Mode = "unix", socketMode
		return f, localsocket.CheckPath(at)
	}
	if !isLocal(at) {
		return listen.Face{}, fmt.Errorf("%q: %q is neither a loopback address, host:port, nor a path", text, at)
	}
	return f, nil
}

// socketMode lets any user connect: who may is asked of the kernel for each connection.
const socketMode = 0o666

// parseTarget reads HOST:PORT.
func parseTarget(text string) (flow.Target, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return flow.Target{}, fmt.Errorf("%q is not HOST:PORT", text)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return flow.Target{}, fmt.Errorf("%q is no port", port)
	}
	return flow.NewTarget(host, uint16(n))
}

// socket is where the local socket is; empty is nowhere.
func (c *Config) socket() string {
	if c.LocalSocket != "" {
		return c.LocalSocket
	}
	for dir := range strings.SplitSeq(os.Getenv("RUNTIME_DIRECTORY"), ":") {
		if filepath.IsAbs(dir) && filepath.Base(dir) == program {
			return filepath.Join(dir, socketFile)
		}
	}
	if c.StateDir == "" {
		return ""
	}
	return filepath.Join(c.StateDir, socketFile)
}

// faces are those of the configuration, which was validated.
func (c *Config) faces() (faces []listen.Face, users listen.Users, err error) {
	if path := c.socket(); path != "" {
		faces = append(faces, listen.Face{Protocol: listen.Connect, Network: "unix", Address: path, Mode: socketMode})
	}
	if c.SOCKSListen != "" {
		faces = append(faces, listen.Face{Protocol: listen.SOCKS5, Network: "tcp", Address: c.SOCKSListen})
	}
	if c.HTTPListen != "" {
		faces = append(faces, listen.Face{Protocol: listen.Connect, Network: "tcp", Address: c.HTTPListen})
	}
	for _, text := range c.Forwards {
		f, err := parseForward(text)
		if err != nil {
			return nil, nil, err
		}
		faces = append(faces, f)
	}
	users = listen.Users{0, uint32(os.Geteuid())} //nolint:gosec // a uid
	for _, name := range c.AllowUsers {
		uid, err := listen.ParseUser(name)
		if err != nil {
			return nil, nil, err
		}
		users = append(users, uid)
	}
	return faces, users, nil
}

// spliced is a flow as the faces use it.
type spliced struct{ *flow.Conn }

// Splice implements listen.Flow.
func (s spliced) Splice(local net.Conn) (up, down int64, err error) {
	return flow.Splice(s.Conn, local)
}
