package flow_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

var update = flag.Bool("update", false, "make new test vectors")

const (
	vectorFile = "testdata/vectors.json"
	specFile   = "../../docs/flows.md"
)

// vector is one binding; everything binary is hexadecimal.
type vector struct {
	Name       string `json:"name"`
	Valid      bool   `json:"valid"`
	Session    string `json:"session"`
	Tunneler   string `json:"tunneler"`
	Connector  string `json:"connector"`
	Key        string `json:"key"`
	Connection string `json:"connection"`
	Signed     string `json:"signed_bytes"`
	MAC        string `json:"mac"`
	Frame      string `json:"frame"` // bind, and proof with another first byte
}

// signedBytes is a second implementation of the table in docs/flows.md.
func signedBytes(session []byte, tunneler, connector string, connection []byte) []byte {
	var b bytes.Buffer
	b.WriteString("zerotrust flow binding v1")
	b.Write([]byte{0, 1})
	b.Write(session)
	for _, id := range []string{tunneler, connector} {
		b.Write([]byte{byte(len(id) >> 8), byte(len(id))})
		b.WriteString(id)
	}
	b.Write(connection)
	return b.Bytes()
}

func TestVectors(t *testing.T) {
	t.Parallel()
	if *update {
		writeVectors(t)
	}
	blob, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(blob, &all))
	require.NotEmpty(t, all)
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			frame := unhex(t, v.Frame)
			h, err := flow.ParseHeader([4]byte(frame))
			require.NoError(t, err)
			require.Equal(t, flow.Header{Type: flow.TypeBind, Length: 48}, h)
			c, err := flow.ParseClaim(frame[4:])
			require.NoError(t, err)
			require.Equal(t, v.Session, c.Session.String())
			require.Equal(t, v.MAC, hex.EncodeToString(c.MAC[:]))
			require.Equal(t, v.Signed, hex.EncodeToString(signedBytes(c.Session[:], v.Tunneler, v.Connector, unhex(t, v.Connection))))
			err = v.binding(t).Verify(flow.Key(unhex(t, v.Key)), c.MAC)
			if v.Valid {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, flow.ErrBinding)
			}
		})
	}
	t.Run("the specification shows the first one", func(t *testing.T) {
		t.Parallel()
		spec, err := os.ReadFile(specFile)
		require.NoError(t, err)
		require.Contains(t, string(spec), hex.Dump(unhex(t, all[0].Signed)), "put this into docs/flows.md")
		require.Contains(t, string(spec), all[0].MAC)
		require.Contains(t, string(spec), all[0].Key)
	})
}

func (v vector) binding(t testing.TB) flow.Binding {
	t.Helper()
	return flow.Binding{
		Role: flow.RoleTunneler, Session: flow.SessionID(unhex(t, v.Session)), Connection: [32]byte(unhex(t, v.Connection)),
		Tunneler: spiffeid.RequireFromString(v.Tunneler), Connector: spiffeid.RequireFromString(v.Connector),
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	out, err := hex.DecodeString(s)
	require.NoError(t, err)
	return out
}

func writeVectors(t *testing.T) {
	t.Helper()
	base := func() vector {
		v := vector{Valid: true, Tunneler: tunnelerID, Connector: connectorID}
		var session [16]byte
		var key, connection [32]byte
		for i := range key {
			key[i], connection[i] = byte(0xc0+i), byte(0xe0+i)
		}
		for i := range session {
			session[i] = byte(0xa0 + i)
		}
		v.Session, v.Key, v.Connection = hex.EncodeToString(session[:]), hex.EncodeToString(key[:]), hex.EncodeToString(connection[:])
		return v
	}
	signed := func(name string, valid bool, v vector, other func(*vector)) vector {
		said := v
		if other != nil {
			other(&said)
		}
		h := hmac.New(sha256.New, unhex(t, said.Key))
		h.Write(signedBytes(unhex(t, said.Session), said.Tunneler, said.Connector, unhex(t, said.Connection)))
		v.Name, v.Valid, v.MAC = name, valid, hex.EncodeToString(h.Sum(nil))
		v.Signed = hex.EncodeToString(signedBytes(unhex(t, v.Session), v.Tunneler, v.Connector, unhex(t, v.Connection)))
		v.Frame = "01000030" + v.Session + v.MAC
		return v
	}
	long := base()
	long.Tunneler = "spiffe://mycorp.internal/tunneler/" + string(bytes.Repeat([]byte{'a'}, 63))
	zeros := hex.EncodeToString(make([]byte, 32))
	all := []vector{
		signed("a tunneler binds a connection", true, base(), nil),
		signed("a long id", true, long, nil),
		signed("made for another connection", false, base(), func(v *vector) { v.Connection = zeros }),
		signed("made with the key of another session", false, base(), func(v *vector) { v.Key = zeros }),
		signed("made for another session id", false, base(), func(v *vector) { v.Session = zeros[:32] }),
		signed("made for another tunneler", false, base(), func(v *vector) { v.Tunneler += "2" }),
		signed("made for another connector", false, base(), func(v *vector) { v.Connector += "2" }),
		signed("the two ids exchanged", false, base(), func(v *vector) { v.Tunneler, v.Connector = v.Connector, v.Tunneler }),
	}
	blob, err := json.MarshalIndent(all, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(vectorFile), 0o755))
	require.NoError(t, os.WriteFile(vectorFile, append(blob, '\n'), 0o644))
}

func TestAClaimOfAnotherRoleIsNoClaim(t *testing.T) {
	t.Parallel()
	b := vector{Session: hex.EncodeToString(make([]byte, 16)), Connection: hex.EncodeToString(make([]byte, 32)), Tunneler: tunnelerID, Connector: connectorID}.binding(t)
	other := b
	other.Role = 2
	require.ErrorIs(t, b.Verify(flow.Key{1}, other.MAC(flow.Key{1})), flow.ErrBinding)
	require.NoError(t, b.Verify(flow.Key{1}, b.MAC(flow.Key{1})))
	for _, n := range []int{0, 15, 17} {
		_, ok := flow.ParseSessionID(make([]byte, n))
		require.False(t, ok)
		_, err := flow.ParseClaim(make([]byte, 32+n))
		require.ErrorIs(t, err, flow.ErrMalformed)
	}
}
