package flow_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

func TestAHeaderIsReadWithinTheLimitsOfItsType(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head  [4]byte
		fault string
	}{
		"a bind":                      {head: [4]byte{1, 0, 0, 48}},
		"a short bind":                {[4]byte{1, 0, 0, 47}, "bind of 47 bytes"},
		"a long bind":                 {[4]byte{1, 0, 0, 49}, "bind of 49 bytes"},
		"the shortest open":           {head: [4]byte{2, 0, 0, 5}},
		"the longest open":            {head: [4]byte{2, 0, 0x11, 1}},
		"an open without a host":      {[4]byte{2, 0, 0, 4}, "open of 4 bytes"},
		"an open of a byte too much":  {[4]byte{2, 0, 0x11, 2}, "open of 4354 bytes"},
		"a seen":                      {head: [4]byte{3, 0, 0, 0}},
		"a seen with a payload":       {[4]byte{3, 0, 0, 1}, "seen of 1 bytes"},
		"a result":                    {head: [4]byte{4, 0, 0, 1}},
		"a result without a code":     {[4]byte{4, 0, 0, 0}, "result of 0 bytes"},
		"a result with a text":        {[4]byte{4, 0, 0, 2}, "result of 2 bytes"},
		"one byte of data":            {head: [4]byte{5, 0, 0, 1}},
		"the largest data":            {head: [4]byte{5, 3, 0xff, 0xfc}},
		"data without data":           {[4]byte{5, 0, 0, 0}, "data of 0 bytes"},
		"data of a byte too much":     {[4]byte{5, 3, 0xff, 0xfd}, "data of 262141 bytes"},
		"data of 16 MiB":              {[4]byte{5, 0xff, 0xff, 0xff}, "data of 16777215 bytes"},
		"a fin":                       {head: [4]byte{6, 0, 0, 0}},
		"a fin with a payload":        {[4]byte{6, 0, 0, 1}, "fin of 1 bytes"},
		"a reset":                     {head: [4]byte{7, 0, 0, 1}},
		"a reset without a code":      {[4]byte{7, 0, 0, 0}, "reset of 0 bytes"},
		"a challenge, not spoken yet": {[4]byte{8, 0, 0, 48}, "type challenge is reserved"},
		"a proof":                     {head: [4]byte{9, 0, 0, 48}},
		"a proof that is cut":         {[4]byte{9, 0, 0, 16}, "proof of 16 bytes"},
		"a datagram, not spoken yet":  {[4]byte{10, 0, 0, 1}, "type datagram is reserved"},
		"type 0":                      {[4]byte{0, 0, 0, 0}, "type 0"},
		"type 11":                     {[4]byte{11, 0, 0, 0}, "type 11"},
		"a record of TLS":             {[4]byte{22, 3, 1, 2}, "type 22"},
		"a request of HTTP":           {[4]byte{'G', 'E', 'T', ' '}, "type 71"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := flow.ParseHeader(c.head)
			if c.fault != "" {
				require.ErrorIs(t, err, flow.ErrMalformed)
				require.ErrorContains(t, err, c.fault)
				require.Equal(t, flow.CodeProtocol, flow.CodeOf(err))
				return
			}
			require.NoError(t, err)
			var again [4]byte
			h.Put(again[:])
			require.Equal(t, c.head, again)
		})
	}
}

func TestATargetHasOneForm(t *testing.T) {
	t.Parallel()
	open := func(host string, port uint16) []byte { return flow.Target{Host: host, Port: port}.AppendOpen(nil) }
	for _, host := range []string{"db", "db.dev.corp", "_ldap._tcp.corp", "a-b.c", "10.0.0.1", "2001:db8::1", "xn--bcher-kva.example", "1password.com", "3.a"} {
		got, first, err := flow.ParseOpen(append(open(host, 5432), "GET /"...))
		require.NoError(t, err, host)
		require.Equal(t, flow.Target{Host: host, Port: 5432}, got)
		require.Equal(t, "GET /", string(first))
	}
	for name, payload := range map[string][]byte{
		"no port":                        open("db", 0),
		"no host":                        open("", 22),
		"upper case":                     open("DB", 22),
		"a dot at the end":               open("db.", 22),
		"an empty label":                 open("db..corp", 22),
		"a dot at the begin":             open(".corp", 22),
		"a wildcard":                     open("*.corp", 22),
		"a space":                        open("db corp", 22),
		"a NUL":                          open("db\x00.corp", 22),
		"a newline":                      open("db\n", 22),
		"a slash":                        open("10.0.0.0/8", 22),
		"a port in it":                   open("db:22", 22),
		"brackets":                       open("[2001:db8::1]", 22),
		"a zone":                         open("fe80::1%eth0", 22),
		"an address in another form":     open("2001:DB8::1", 22),
		"zeros that could be left out":   open("2001:db8:0:0:0:0:0:1", 22),
		"an IPv4 address in an IPv6 one": open("::ffff:127.0.0.1", 22),
		"inet_aton, short":               open("127.1", 22),
		"inet_aton, a number":            open("2130706433", 22),
		"inet_aton, hexadecimal":         open("0x7f.1", 22),
		"inet_aton, one number":          open("0x7f000001", 22),
		"octal":                          open("0177.0.0.1", 22),
		"a hyphen first":                 open("-db", 22),
		"a hyphen last":                  open("db-", 22),
		"a long label":                   open(strings.Repeat("a", 64), 22),
		"unicode":                        open("bücher.example", 22),
		"another protocol":               {17, 0, 22, 2, 'd', 'b'},
		"protocol 0":                     {0, 0, 22, 2, 'd', 'b'},
		"cut":                            {1, 0, 22, 2},
		"a host that is cut":             {1, 0, 22, 3, 'd', 'b'},
		"too much after it":              append(open("db", 22), make([]byte, flow.MaxFirst+1)...),
	} {
		_, _, err := flow.ParseOpen(payload)
		require.ErrorIs(t, err, flow.ErrMalformed, name)
	}
}

func TestWhatAPersonWritesBecomesTheOneForm(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"DB.Dev.Corp.": "db.dev.corp", "[2001:DB8::1]": "2001:db8::1", "::ffff:10.1.2.3": "10.1.2.3", "10.1.2.3": "10.1.2.3",
	} {
		got, err := flow.NewTarget(in, 22)
		require.NoError(t, err, in)
		require.Equal(t, want, got.Host)
	}
	for _, in := range []string{"", "a b", "fe80::1%eth0", "127.1"} {
		_, err := flow.NewTarget(in, 22)
		require.ErrorIs(t, err, flow.ErrMalformed, in)
	}
	require.Equal(t, "[2001:db8::1]:22", flow.Target{Host: "2001:db8::1", Port: 22}.String())
}

func TestCodesAndErrorsAreOne(t *testing.T) {
	t.Parallel()
	require.NoError(t, flow.CodeOK.Err())
	for c := flow.CodeRefused; c <= flow.CodeRevoked; c++ {
		require.Error(t, c.Err(), "%d", c)
		require.Equal(t, c, flow.CodeOf(c.Err()))
	}
	require.Equal(t, flow.CodeProtocol, flow.CodeOf(flow.ErrOrder))
	require.Equal(t, flow.CodeInternal, flow.CodeOf(bytes.ErrTooLarge))
}

// FuzzFrame: nothing that a peer sends makes the parsers panic, and what they take has one
// form: put together again it is the same bytes.
func FuzzFrame(f *testing.F) {
	f.Add(flow.Append(nil, flow.TypeOpen, flow.Target{Host: "db", Port: 22}.AppendOpen(nil)...))
	f.Add(flow.Append(nil, flow.TypeOpen, flow.Target{Host: "10.0.0.1", Port: 80}.AppendOpen(nil, []byte("GET / HTTP/1.1")...)...))
	f.Add(flow.Append(nil, flow.TypeBind, make([]byte, 48)...))
	f.Add(flow.Append(nil, flow.TypeResult, 7))
	f.Add([]byte{5, 3, 255, 253})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < flow.HeaderSize {
			return
		}
		h, err := flow.ParseHeader([4]byte(b))
		if err != nil {
			return
		}
		if h.Length > flow.MaxPayload {
			t.Fatalf("%d bytes came through", h.Length)
		}
		payload := b[4:]
		if len(payload) < h.Length {
			return
		}
		payload = payload[:h.Length]
		var again []byte
		switch h.Type {
		case flow.TypeOpen:
			target, first, err := flow.ParseOpen(payload)
			if err != nil {
				return
			}
			if same, err := flow.NewTarget(target.Host, target.Port); err != nil || same != target {
				t.Fatalf("%q has another form: %q, %v", target.Host, same.Host, err)
			}
			again = flow.Append(nil, h.Type, target.AppendOpen(nil, first...)...)
		case flow.TypeBind, flow.TypeProof:
			c, err := flow.ParseClaim(payload)
			if err != nil {
				t.Fatal(err)
			}
			again = flow.Append(nil, h.Type, c.AppendClaim(nil)...)
		default:
			return
		}
		if !bytes.Equal(again, b[:4+h.Length]) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

func TestAnyTargetSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := flow.Target{
			Host: rapid.StringMatching(`[a-z]([a-z0-9]{0,10}[a-z0-9])?(\.[a-z]{1,8}){0,5}`).Draw(t, "host"),
			Port: rapid.Uint16Min(1).Draw(t, "port"),
		}
		said := rapid.SliceOfN(rapid.Byte(), 0, flow.MaxFirst).Draw(t, "first")
		out, first, err := flow.ParseOpen(in.AppendOpen(nil, said...))
		if err != nil || out != in || !bytes.Equal(first, said) {
			t.Fatalf("%v became %v: %v", in, out, err)
		}
	})
}

// TestTheSpecificationNamesEachCode as records do.
func TestTheSpecificationNamesEachCode(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/flows.md")
	require.NoError(t, err)
	for c := flow.CodeOK; c <= flow.LastCode; c++ {
		require.Contains(t, string(doc), fmt.Sprintf("\n| %d | %#q |", c, c.String()))
	}
}
