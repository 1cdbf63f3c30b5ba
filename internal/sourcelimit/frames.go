package sourcelimit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/time/rate"
)

// ErrFlood closes a connection whose peer sends frames that cost us and are of no
// use to it.
var ErrFlood = errors.New("more HTTP/2 frames than a client has use for")

// What a peer may send on one HTTP/2 connection. A peer of ours opens a handful of
// streams and lets them live; acknowledgements, pings and window updates come with
// every message that it reads or writes.
const (
	streamFrames      = rate.Limit(50)
	streamFramesBurst = 500
	otherFrames       = rate.Limit(5000)
	otherFramesBurst  = 20000
)

// HTTP/2 frames, RFC 9113 section 4.1 and 6.
const (
	prefaceSize = 24 // "PRI * HTTP/2.0…"
	headSize    = 9
	typeData    = 0x0
	typeSetting = 0x4
	typePing    = 0x6
	typeWindow  = 0x8
	flagAck     = 0x1
)

// Frames counts the HTTP/2 frames that a server reads from a connection, below the
// server and above TLS. Rapid resets (CVE-2023-44487), floods of headers,
// continuations (CVE-2024-27316), settings or pings, and frames that make the server
// reset its own streams are all more frames than there is use for. flood is called
// with ErrFlood before Read returns it.
func Frames(c net.Conn, flood func(error)) net.Conn {
	return &framed{
		Conn: c, flood: flood, skip: prefaceSize,
		streams: rate.NewLimiter(streamFrames, streamFramesBurst), others: rate.NewLimiter(otherFrames, otherFramesBurst),
	}
}

// framed is read by one goroutine, as a server of HTTP/2 does.
type framed struct {
	net.Conn

	flood           func(error)
	streams, others *rate.Limiter

	skip int // bytes until the next head
	head [headSize]byte
	have int // bytes of head
}

// Read implements net.Conn.
func (f *framed) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if over := f.take(p[:n]); over != nil {
		f.flood(over)
		return 0, over
	}
	return n, err
}

// take follows the frames. What is no HTTP/2 makes no sense of the heads either;
// the server finds that out.
func (f *framed) take(p []byte) error {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip -= n
			p = p[n:]
			continue
		}
		n := copy(f.head[f.have:], p)
		f.have += n
		p = p[n:]
		if f.have < headSize {
			return nil
		}
		f.have = 0
		f.skip = int(binary.BigEndian.Uint32(f.head[:4]) >> 8)
		if err := f.count(f.head[3], f.head[4]); err != nil {
			return err
		}
	}
	return nil
}

// count takes a frame with f.skip bytes of payload.
func (f *framed) count(kind, flags byte) error {
	limit := f.streams
	switch {
	case kind == typeData && f.skip > 0:
		return nil
	case kind == typeData, kind == typePing, kind == typeWindow, kind == typeSetting && flags&flagAck != 0:
		limit = f.others
	}
	if !limit.Allow() {
		return fmt.Errorf("%w: type %d", ErrFlood, kind)
	}
	return nil
}
