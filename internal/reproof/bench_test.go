package reproof_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// BenchmarkReproof is one rotation of one end: a challenge, a proof, its judgement.
func BenchmarkReproof(b *testing.B) {
	r := newBout(b)
	b.ReportAllocs()
	for b.Loop() {
		p, err := reproof.Prove(r.binding, r.verifier.Challenge(), r.svid)
		require.NoError(b, err)
		sent, err := reproof.ParseProof(p.Frame().GetProof())
		require.NoError(b, err)
		_, err = r.verifier.Accept(sent)
		require.NoError(b, err)
	}
}

// BenchmarkHandshake is what a reconnect would cost in its place, both ends
// together and without the network.
func BenchmarkHandshake(b *testing.B) {
	ca := mtlstest.NewCA(b, td)
	client, server := ca.Identity(ca.SVID(b, tunnelerID)), ca.Identity(ca.SVID(b, connectorID))
	b.ReportAllocs()
	for b.Loop() {
		mtlstest.Connect(b, client, server)
	}
}
