package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// settings tells how requests of a route go to one of its upstreams, in the words of the documents. What is usual is not told.
func settings(r *gateway.Route, u *gateway.Upstream) []string {
	var out []string
	if u.Balance != "" && u.Balance != gateway.LeastRequest || u.Balancing.OwnZone {
		out = append(out, "balance "+balance(u))
	}
	if r.Waits != (gateway.Waits{}) {
		out = append(out, timeouts(r, u))
	}
	if u.TLS != nil {
		out = append(out, tlsOf(u.TLS))
	}
	if h := u.Health; h != nil {
		out = append(out, fmt.Sprintf("health by %s every %s", h.Check, h.Interval))
	}
	if e := u.Ejection; e != nil {
		out = append(out, fmt.Sprintf("eject for %s, at most %g%% of the endpoints", e.For, e.Most))
	}
	if b := u.Bulkhead; u.For != "" {
		out = append(out, fmt.Sprintf("bulkhead of its own: %d connections, %d requests, %d pending", b.Connections, b.Requests, b.Pending))
	}
	if t := u.Retries; t != nil {
		on := strings.Join(t.On, ", ")
		if len(t.Statuses) > 0 {
			on += fmt.Sprintf(", %d", t.Statuses)
		}
		out = append(out, fmt.Sprintf("retries: %d, on %s", t.Attempts, on))
	}
	if r.Adaptive != nil {
		out = append(out, fmt.Sprintf("adaptive concurrency: at most %d", r.Adaptive.Most))
	}
	return out
}

func balance(u *gateway.Upstream) string {
	out := string(u.Balance)
	if by := u.Balancing.By; by != nil {
		out += " by " + by.String()
		if by.TTL > 0 {
			out += fmt.Sprintf(" for %s", by.TTL)
		}
	}
	if u.Balancing.OwnZone {
		out += ", own zone first"
	}
	return out
}

// timeouts tells how long a request may take: as the route says, or the upstream.
func timeouts(r *gateway.Route, u *gateway.Upstream) string {
	request := r.Waits.Request
	if request == 0 {
		for _, t := range r.Targets { // The most patient decides.
			request = max(request, t.Upstream.Timeout)
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "timeout %s, connect %s", request, u.ConnectTimeout)
	for _, w := range []struct {
		name string
		wait time.Duration
	}{{"try", r.Waits.Try}, {"idle", r.Waits.Idle}, {"stream", r.Waits.Stream}} {
		if w.wait > 0 {
			fmt.Fprintf(&out, ", %s %s", w.name, w.wait)
		}
	}
	return out.String()
}

func tlsOf(t *gateway.UpstreamTLS) string {
	out := "TLS, verified as " + strings.Join(t.Names, " or ")
	if t.Unverified {
		out = "TLS, not verified"
	}
	if t.Identity != "" {
		out += ", shows " + t.Identity
	}
	return out
}
