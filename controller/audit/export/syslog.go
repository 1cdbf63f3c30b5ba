package export

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"
)

const (
	// priority is facility 13 (log audit), severity 6 (informational) or 5 (notice,
	// for refusals): RFC 5424 section 6.2.1.
	facility, informational, notice = 13, 6, 5

	syslogTimeout = 10 * time.Second
	// maxDatagram is what a UDP packet can carry on every system.
	maxDatagram = 60 << 10
)

// Syslog sends RFC 5424 messages whose text is the JSON line. Over TCP they are
// framed by octet counting (RFC 6587). Syslog has no acknowledgement: delivered
// means handed to the socket.
type Syslog struct {
	network, address string
	hostname         string
	conn             net.Conn
}

// ParseSyslog reads udp://host:port, tcp://host:port or unix:///path.
func ParseSyslog(target string) (network, address string, err error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", "", fmt.Errorf("%q is not a URL", target)
	}
	switch u.Scheme {
	case "udp", "tcp":
		if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || u.Path != "" {
			return "", "", fmt.Errorf("%q needs host and port", target)
		}
		return u.Scheme, u.Host, nil
	case "unix":
		if u.Path == "" || u.Host != "" {
			return "", "", fmt.Errorf("%q needs an absolute path", target)
		}
		return "unixgram", u.Path, nil
	default:
		return "", "", fmt.Errorf("%q is not of udp://, tcp:// or unix://", target)
	}
}

// NewSyslog returns a sink for a target that ParseSyslog accepts.
func NewSyslog(target string) (*Syslog, error) {
	network, address, err := ParseSyslog(target)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &Syslog{network: network, address: address, hostname: host}, nil
}

// Deliver implements Sink.
func (s *Syslog) Deliver(ctx context.Context, b Batch) error {
	if s.conn == nil {
		d := net.Dialer{Timeout: syslogTimeout}
		conn, err := d.DialContext(ctx, s.network, s.address)
		if err != nil {
			return err
		}
		s.conn = conn
	}
	conn := s.conn
	if err := conn.SetDeadline(time.Now().Add(syslogTimeout)); err != nil {
		return s.fault(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for _, r := range b.Records {
		if _, err := conn.Write(s.message(r)); err != nil {
			return s.fault(err)
		}
	}
	return nil
}

func (s *Syslog) message(r Record) []byte {
	severity := informational
	if r.Refused {
		severity = notice
	}
	text := r.Line
	head := fmt.Sprintf("<%d>1 %s %s grpccontroller %d audit - ", facility*8+severity,
		r.Time.Format("2006-01-02T15:04:05.000000Z07:00"), s.hostname, os.Getpid())
	if s.network != "tcp" && len(head)+len(text) > maxDatagram {
		text = []byte(`{"index":` + strconv.FormatInt(r.At, 10) + `,"error":"too long for a datagram"}`)
	}
	m := append([]byte(head), text...)
	if s.network == "tcp" {
		m = append([]byte(strconv.Itoa(len(m))+" "), m...)
	}
	return m
}

func (s *Syslog) fault(err error) error {
	_ = s.Close()
	return err
}

// Close implements Sink.
func (s *Syslog) Close() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	return err
}
