package observed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// maxAnswer bounds the endpoints of one name.
const maxAnswer = 4096

// question is what DNS is asked: the addresses of a host, or SRV records.
type question struct {
	srv  bool
	name string
}

// name is a question that is asked again and again.
type name struct {
	question
	cancel   context.CancelFunc
	first    chan struct{} // Closed when it was asked once, whatever came of it.
	asked    bool
	answered bool               // There was an answer, if an empty one.
	answer   []gateway.Endpoint // Of a host with port 0.
	failure  string             // Of the last question; empty: it was answered.
}

// questions returns what must be asked for an Upstream.
func questions(u *gateway.Upstream) []question {
	if u.Discovery != nil {
		if u.Discovery.SRV == "" {
			return nil
		}
		return []question{{srv: true, name: u.Discovery.SRV}}
	}
	var out []question
	for _, e := range u.Endpoints {
		if host, _, ok := e.HostPort(); ok && !slices.Contains(out, question{name: host}) {
			out = append(out, question{name: host})
		}
	}
	return out
}

// ask makes sure that a question is asked again and again. o.mu is held.
func (o *Observer) ask(q question) *name {
	n := o.names[q]
	if n != nil {
		return n
	}
	ctx, cancel := context.WithCancel(o.running)
	n = &name{question: q, cancel: cancel, first: make(chan struct{})}
	o.names[q] = n
	o.tasks.Go(func() { o.follow(ctx, n) })
	return n
}

// follow asks a question again and again until ctx ends.
func (o *Observer) follow(ctx context.Context, n *name) {
	wait := time.Duration(0)
	for {
		if !o.turn(ctx, wait) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case o.lookups <- struct{}{}:
		}
		asking, cancel := context.WithTimeout(ctx, o.options.Timeout)
		answer, err := o.resolve(asking, n.question)
		cancel()
		<-o.lookups
		if ctx.Err() != nil {
			return
		}
		o.heard(n, answer, err)
		wait = o.options.Refresh*3/4 + rand.N(o.options.Refresh/2+1) // Never all names at once, on average as asked.
	}
}

// resolve asks once. An empty answer is no error.
func (o *Observer) resolve(ctx context.Context, q question) ([]gateway.Endpoint, error) {
	if !q.srv {
		addresses, err := o.addresses(ctx, q.name)
		return endpointsAt(addresses, 0, 1), err
	}
	_, records, err := o.options.Resolver.LookupSRV(ctx, "", "", q.name)
	if isEmpty(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(records) > maxAnswer {
		return nil, fmt.Errorf("%d records: at most %d are taken", len(records), maxAnswer)
	}
	// Records of the lowest priority come first (RFC 2782); the others are for when these are gone.
	slices.SortStableFunc(records, func(a, b *net.SRV) int { return int(a.Priority) - int(b.Priority) })
	var out []gateway.Endpoint
	for i, r := range records {
		if i > 0 && r.Priority != records[i-1].Priority && len(out) > 0 {
			break
		}
		if r.Target == "." || r.Port == 0 {
			continue // The service is not offered here.
		}
		addresses, err := o.addresses(ctx, r.Target)
		if err != nil {
			return nil, err
		}
		out = append(out, endpointsAt(addresses, r.Port, int(r.Weight))...)
	}
	return out, nil
}

// addresses returns those of a host: IPv4 where it has any, and IPv6 otherwise, so that a host with both is not counted twice.
func (o *Observer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	for _, network := range []string{"ip4", "ip6"} {
		found, err := o.options.Resolver.LookupNetIP(ctx, network, host)
		if isEmpty(err) || err == nil && len(found) == 0 {
			continue
		}
		if err == nil && len(found) > maxAnswer {
			err = fmt.Errorf("%d addresses: at most %d are taken", len(found), maxAnswer)
		}
		return found, err
	}
	return nil, nil
}

// isEmpty reports that DNS answered, and that there is nothing: neither a failure nor a timeout.
func isEmpty(err error) bool {
	failed, ok := errors.AsType[*net.DNSError](err)
	return ok && failed.IsNotFound
}

func endpointsAt(addresses []netip.Addr, port uint16, weight int) []gateway.Endpoint {
	var out []gateway.Endpoint
	for _, a := range addresses {
		if a = a.Unmap(); a.Zone() == "" {
			out = append(out, gateway.Endpoint{Address: netip.AddrPortFrom(a, port).String(), Weight: max(1, weight)})
		}
	}
	return gateway.CanonicalEndpoints(out)
}

// heard takes over what came of a question.
func (o *Observer) heard(n *name, answer []gateway.Endpoint, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	failure := ""
	if err != nil {
		failure = fmt.Sprintf("%s: %s", n.name, err)
		if n.failure == "" {
			o.options.Log.Warn("a name cannot be resolved, its last answer is kept", "name", n.name, "error", err)
		}
	}
	same := n.asked && (err != nil || n.answered && slices.Equal(n.answer, answer))
	n.failure = failure
	if err == nil {
		n.answer, n.answered = answer, true
	}
	if !n.asked {
		n.asked = true
		defer close(n.first)
	}
	if same || !o.lead.leads {
		return
	}
	for _, s := range o.sets {
		if slices.Contains(questions(s.upstream), n.question) {
			o.resolved(s)
		}
	}
}

// resolved puts together what the names of a set have answered. o.mu is held.
func (o *Observer) resolved(s *set) {
	if !o.lead.leads {
		return
	}
	var out []gateway.Endpoint
	failed := false
	for _, q := range questions(s.upstream) {
		n := o.names[q]
		if n == nil || !n.asked {
			return // The first answers come together.
		}
		failed = failed || !n.answered
		if q.srv {
			out = append(out, n.answer...)
		}
	}
	for _, e := range s.upstream.Endpoints {
		host, port, named := e.HostPort()
		if !named {
			out = append(out, e)
			continue
		}
		for _, a := range o.names[question{name: host}].answer {
			address, _, _ := net.SplitHostPort(a.Address)
			out = append(out, gateway.Endpoint{Address: net.JoinHostPort(address, strconv.Itoa(int(port))), Weight: e.Weight})
		}
	}
	if len(out) == 0 && failed {
		return // Nobody said that there is nothing.
	}
	o.take(s, out)
}
