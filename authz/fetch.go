package authz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Bounds of what http.send fetches. How long it takes is bounded by the limit of the evaluation.
const (
	maxFetched   = 1 << 20  // Bytes of a body.
	maxCached    = 64 << 20 // Bytes of answers that are kept, of all policies together.
	maxIdleConns = 8        // For each host.
	idleConn     = 30 * time.Second
	connectLimit = 5 * time.Second
)

// fetcher is http.send of one policy: it asks the hosts that the Policy lists, and nobody else, wherever a redirect or a name
// service leads. No lock is held meanwhile.
type fetcher struct {
	hosts  []string
	shared *http.Transport // Of requests without settings for TLS of their own.
}

// newFetcher returns the http.send of a policy that may ask these hosts.
func newFetcher(hosts []string) *fetcher {
	f := &fetcher{hosts: hosts}
	if len(hosts) > 0 {
		f.shared = f.prepare(&http.Transport{MaxIdleConnsPerHost: maxIdleConns, IdleConnTimeout: idleConn, ForceAttemptHTTP2: true})
	}
	return f
}

// prepare makes a transport ask listed hosts only.
func (f *fetcher) prepare(t *http.Transport) *http.Transport {
	t.Proxy = nil
	t.DialContext = f.dial
	t.MaxResponseHeaderBytes = maxParsed
	return t
}

// send is the function as policies call it.
func (f *fetcher) send(ctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
	object, ok := operands[0].Value.(ast.Object)
	if !ok || len(f.hosts) == 0 {
		return halt(ast.HTTPSend.Name, ctx.Location, errors.New("it may not be used"))
	}
	if err := f.check(object); err != nil {
		return halt(ast.HTTPSend.Name, ctx.Location, err)
	}
	ctx.Capabilities = nil // Its list of hosts knows no ports: check and RoundTrip hold to ours.
	ctx.RoundTripper = func(own *http.Transport) http.RoundTripper {
		if own == nil {
			return bounded{f, f.shared}
		}
		return bounded{f, f.prepare(own)}
	}
	return topdown.GetBuiltin(ast.HTTPSend.Name)(ctx, operands, iter)
}

// check refuses a request to a host that is not listed before anything is looked up in the cache for it, and one that
// would read files or the environment of the process.
func (f *fetcher) check(request ast.Object) error {
	if err := weigh(maxNodes, maxFetched, ast.NewTerm(request)); err != nil {
		return err
	}
	var foreign string
	request.Foreach(func(k, _ *ast.Term) {
		if name, ok := k.Value.(ast.String); ok && (strings.HasSuffix(string(name), "_file") || strings.HasSuffix(string(name), "_env_variable")) {
			foreign = string(name)
		}
	})
	if foreign != "" {
		return fmt.Errorf("%s may not be used: a policy reads neither files nor the environment", foreign)
	}
	term := request.Get(ast.StringTerm("url"))
	if term == nil {
		return nil // OPA says what is missing.
	}
	text, ok := term.Value.(ast.String)
	if !ok {
		return nil
	}
	at, err := url.Parse(strings.Trim(string(text), "\""))
	if err != nil {
		return errors.New("the url cannot be read")
	}
	return f.allows(at)
}

// allows reports an address that is not of a listed host.
func (f *fetcher) allows(at *url.URL) error {
	if at.Scheme != "http" && at.Scheme != "https" {
		return fmt.Errorf("the scheme %q may not be used: write http or https", at.Scheme)
	}
	port := at.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[at.Scheme]
	}
	if !f.lists(at.Hostname(), port) {
		return fmt.Errorf("the host %s is not one of those that the Policy lists under hosts", at.Host)
	}
	return nil
}

// lists reports whether a host is listed, alone or with the port.
func (f *fetcher) lists(host, port string) bool {
	host = strings.ToLower(host)
	bracketed := host
	if strings.Contains(host, ":") {
		bracketed = "[" + host + "]"
	}
	return slices.Contains(f.hosts, host) || slices.Contains(f.hosts, bracketed) || slices.Contains(f.hosts, bracketed+":"+port)
}

// dial connects to a listed host. Addresses of this host and of the link are dialled only where they are listed as they are:
// whoever holds the name of a host could otherwise lead a request to what listens here for its own.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	if !f.lists(host, port) {
		return nil, fmt.Errorf("dial %s: the host is not listed", address)
	}
	literal, _ := netip.ParseAddr(host)
	d := net.Dialer{Timeout: connectLimit, ControlContext: func(_ context.Context, _, to string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(to)
		if err != nil {
			return fmt.Errorf("the address %s cannot be read: %w", to, err)
		}
		if a := at.Addr().Unmap(); near(a) && a != literal.Unmap() {
			return fmt.Errorf("%s leads to %s, which is listed only if it is written as this address", host, a)
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// near reports an address of this host, of the link, or of nobody in particular.
func near(a netip.Addr) bool {
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast() || a.IsMulticast() || a.IsUnspecified()
}

// bounded makes requests of a policy: to listed hosts, redirects included, with answers of bounded size.
type bounded struct {
	*fetcher
	over *http.Transport
}

// RoundTrip makes one request.
func (b bounded) RoundTrip(q *http.Request) (*http.Response, error) {
	if err := b.allows(q.URL); err != nil {
		return nil, err
	}
	answer, err := b.over.RoundTrip(q)
	if err == nil {
		answer.Body = &boundedBody{answer.Body, maxFetched}
	}
	return answer, err
}

// boundedBody is a body of which no more than so many bytes are read.
type boundedBody struct {
	io.ReadCloser
	left int
}

// Read reads on, and fails where there is too much.
func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", maxFetched)
	}
	return n, err
}
