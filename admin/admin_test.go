package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

// known is what a daemon knows, set by a test.
type known struct {
	notReady  error
	nodes     []Node
	resources []Resource
	revision  Revision
	explain   func(Query) (Answer, error)
	export    func(fleet string, keys bool, format Format) ([]byte, error)
	ruling    func(Question) (Verdict, error)
	book      book
	events    *Events
	sets      []EndpointSet
	pushed    []EndpointChange
}

func (k *known) Ready() error                     { return k.notReady }
func (k *known) Nodes() []Node                    { return k.nodes }
func (k *known) Resources(_, _ string) []Resource { return k.resources }
func (k *known) Retry(_, node string) bool        { return node == "edge-1" }
func (k *known) Revision() Revision               { return k.revision }
func (k *known) Explain(q Query) (Answer, error)  { return k.explain(q) }
func (k *known) Export(fleet string, keys bool, format Format) ([]byte, error) {
	return k.export(fleet, keys, format)
}

// serve runs the API on a listener until the test ends.
func serve(t *testing.T, network, address, token string, k *known) net.Listener {
	t.Helper()
	return run(t, network, address, newService(t, token, k))
}

// serveWith is serve where nothing is known but what set adds.
func serveWith(t *testing.T, network, address string, set func(*Options)) {
	t.Helper()
	o := Options{Metrics: http.NotFoundHandler()}
	set(&o)
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, network, address, s)
}

func run(t *testing.T, network, address string, s *Service) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

func newService(t *testing.T, token string, k *known) *Service {
	t.Helper()
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "gatehouse_ready 1") })
	if k.ruling == nil {
		k.ruling = func(Question) (Verdict, error) { return Verdict{Allow: true}, nil }
	}
	s, err := New(Options{
		Ready: k, Nodes: k, Revisions: k, Explain: k, Export: k, Endpoints: k, Access: k, Metrics: metrics, Version: "v1.2.3", Token: token,
		Callers: k, Roles: k, Journal: &k.book, Hosts: []string{"gate.bank.test"}, Events: k.events,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// onSocket runs the API on a Unix socket and returns a client for it.
func onSocket(t *testing.T, k *known) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	serve(t, "unix", path, "", k)
	return dial(t, "unix:"+path, "")
}

func dial(t *testing.T, address, token string) *Client {
	t.Helper()
	c, err := Dial(address, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReady(t *testing.T) {
	t.Parallel()
	if err := onSocket(t, &known{}).Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	err := onSocket(t, &known{notReady: errors.New("draining")}).Ready(t.Context())
	if !errors.Is(err, ErrNotReady) || err.Error() != "not ready: draining" {
		t.Errorf("draining: %v", err)
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	edge := Node{
		Fleet: "edge", Name: "edge-1", Address: "@", Envoy: "1.40.0", Bootstrap: "1", State: Refused, Connected: then,
		Revision: "r2", Acknowledged: "r1", Sent: 512,
		Types:       []TypeStatus{{Type: "type.test/Cluster", Wanted: 3, Acknowledged: 2, Refused: 1, Outstanding: true, Responses: 4, Bytes: 512}},
		LastRefusal: &Refusal{Type: "type.test/Cluster", Text: "malformed IP", Time: then, Suspects: []Suspect{{Name: "c", Origin: "a.yaml:1:2", Named: true}}, Total: 1},
	}
	branch := Node{Fleet: "branch", Name: "b-1", State: Disconnected, Connected: then, Disconnected: then.Add(time.Hour), Types: []TypeStatus{}}
	c := onSocket(t, &known{nodes: []Node{branch, edge}})
	for fleet, want := range map[string][]Node{"": {branch, edge}, "edge": {edge}, "none": {}} {
		got, err := c.Nodes(t.Context(), fleet)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fleet %q -want +got:\n%s", fleet, diff)
		}
	}
}

func TestNode(t *testing.T) {
	t.Parallel()
	k := &known{
		nodes:     []Node{{Fleet: "edge", Name: "edge-1", State: Synced, Types: []TypeStatus{}}},
		resources: []Resource{{Type: "type.test/Cluster", Name: "c", Version: "v2", Held: "v1", Refused: true, Origin: "a.yaml:1:2"}},
	}
	c := onSocket(t, k)
	got, err := c.Node(t.Context(), "edge", "edge-1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(NodeDetail{Node: k.nodes[0], Resources: k.resources}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := c.Retry(t.Context(), "edge", "edge-1"); err != nil {
		t.Errorf("retry: %v", err)
	}
	if err := c.Retry(t.Context(), "edge", "edge-2"); err == nil || !strings.Contains(err.Error(), "is not connected") {
		t.Errorf("retry of a node that is gone: %v", err)
	}
	if _, err := c.Node(t.Context(), "edge", "../edge-2"); err == nil || err.Error() != "no node ../edge-2 of fleet edge is known" {
		t.Errorf("an unknown node: %v", err)
	}
}

func TestRevision(t *testing.T) {
	t.Parallel()
	fault := gateway.Fault{
		Code: gateway.CodeRego, Place: gateway.Place{File: "p.rego", Line: 3, Column: 1}, Field: "file",
		Object: gateway.Ref{Kind: gateway.KindPolicy, Name: "bank.payments"}, Team: "payments", Message: "unexpected token",
	}
	want := Revision{
		ID: "abc", Since: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Faults: []gateway.Fault{fault},
		Substitutions: []gateway.Substitution{{Object: gateway.Ref{Kind: gateway.KindAPI, Name: "payments", Version: "v1"}, With: "503", Faults: gateway.Faults{fault}}},
	}
	got, err := onSocket(t, &known{revision: want}).Revision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	want := Answer{Action: "forward", Route: "payments/v1/getPayment", Hops: []gateway.Hop{{Service: "authorization", Why: "policy"}}, Why: "it matches"}
	asked := Query{Method: "POST", URL: "http://pay.bank.test/payments?x=1&y=a,b", Fleet: "edge", Headers: http.Header{"X-Tier": {"gold, b", "c:d"}}}
	c := onSocket(t, &known{explain: func(q Query) (Answer, error) {
		if diff := cmp.Diff(asked, q); diff != "" {
			return Answer{}, errors.New(diff)
		}
		return want, nil
	}})
	got, err := c.Explain(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestExplainErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no revision", fmt.Errorf("%w: 2 faults", ErrNoRevision), "no revision is in use: 2 faults"},
		{"query", errors.New("the URL cannot be read"), "the URL cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := onSocket(t, &known{explain: func(Query) (Answer, error) { return Answer{}, tt.err }})
			if _, err := c.Explain(t.Context(), Query{Method: "GET", URL: "/"}); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// get asks for a path over a socket and returns status, media type and body.
func get(t *testing.T, c *Client, method, path string) (int, string, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, c.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Content-Type"), string(body)
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	c := onSocket(t, &known{notReady: errors.New("no revision"), explain: func(Query) (Answer, error) { return Answer{}, nil }})
	for _, tt := range []struct {
		method, path string
		status       int
		mediaType    string
		has          string
	}{
		{"GET", "/healthz", 200, "application/json", `"alive"`},
		{"GET", "/readyz", 503, "application/problem+json", `"detail":"no revision"`},
		{"GET", "/metrics", 200, "text/plain; charset=utf-8", "gatehouse_ready 1"},
		{"GET", "/debug/pprof/goroutine?debug=1", 200, "text/plain; charset=utf-8", "goroutine profile"},
		{"GET", "/openapi.json", 200, "application/openapi+json", `"/v1/nodes"`},
		{"GET", "/v1/nodes", 200, "application/json", `{"nodes":[]}`},
		{"GET", "/v1/explain", 422, "application/problem+json", "query.url"},
		{"GET", "/v1/explain?url=/&header=x", 400, "application/problem+json", `the header \"x\" is not written as name:value`},
		{"POST", "/v1/nodes", 405, "application/problem+json", "this path takes GET, HEAD"},
		{"GET", "/nothing", 404, "application/problem+json", "/openapi.json lists"},
	} {
		status, mediaType, body := get(t, c, tt.method, tt.path)
		if status != tt.status || mediaType != tt.mediaType || !strings.Contains(body, tt.has) {
			t.Errorf("%s %s: got %d %s %s, want %d %s %s", tt.method, tt.path, status, mediaType, body, tt.status, tt.mediaType, tt.has)
		}
	}
}

func TestStopEndsServe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, "", &known{})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	c := dial(t, "unix:"+path, "")
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := c.Ready(t.Context()); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), path) {
		t.Errorf("after the stop: %v", err)
	}
}
