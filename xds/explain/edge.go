package explain

import (
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// listens returns what a listener's document says about clients on their way in, a line for each thing, and nothing of what every
// listener does.
func listens(l *gateway.Listener) []string {
	var out []string
	add := func(format string, values ...any) { out = append(out, fmt.Sprintf(format, values...)) }
	if t := l.TLS; t != nil {
		add("TLS %s or later, certificates %s", t.Minimum, strings.Join(t.Certificates, ", "))
		if len(t.Ciphers) > 0 {
			add("ciphers of TLS 1.2: %s", strings.Join(t.Ciphers, ", "))
		}
		if len(t.Curves) > 0 {
			add("curves: %s", strings.Join(t.Curves, ", "))
		}
		if t.HSTS != nil {
			add("every answer has strict-transport-security: %s", t.HSTS)
		}
		if c := t.Clients; c != nil {
			add("%s", clients(c))
		}
	}
	return append(out, bounds(l.Bounds)...)
}

func clients(c *gateway.ClientTLS) string {
	out := "clients may show a certificate"
	if c.Required {
		out = "clients must show a certificate"
	}
	if len(c.Revoked) > 0 {
		out += ", which must not be revoked"
	}
	return out
}

// bounds returns what is said of bounds.
func bounds(b gateway.Bounds) []string {
	var out []string
	for _, x := range []struct {
		said bool
		text string
	}{
		{b.Connections > 0, fmt.Sprintf("at most %d connections on an Envoy", b.Connections)},
		{b.Age > 0, fmt.Sprintf("a connection ends after %s", b.Age)},
		{b.RequestsPerConnection > 0, fmt.Sprintf("a connection ends after %d requests", b.RequestsPerConnection)},
		{b.Streams > 0, fmt.Sprintf("at most %d requests at a time on a connection of HTTP/2", b.Streams)},
		{b.HeaderSize > 0, fmt.Sprintf("headers of at most %d KiB", b.HeaderSize>>10)},
		{b.HeaderCount > 0, fmt.Sprintf("at most %d headers", b.HeaderCount)},
		{b.Buffer > 0, fmt.Sprintf("at most %d bytes are held of a connection", b.Buffer)},
		{b.Idle > 0, fmt.Sprintf("a connection without a request ends after %s", b.Idle)},
		{b.Quiet > 0, fmt.Sprintf("a request of which nothing moves ends after %s", b.Quiet)},
		{b.Headers > 0, fmt.Sprintf("headers arrive within %s", b.Headers)},
		{b.Request > 0, fmt.Sprintf("a request arrives within %s", b.Request)},
	} {
		if x.said {
			out = append(out, x.text)
		}
	}
	return out
}
