//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/explain"
)

// How much is explained: so many requests at each of so many Gateways, of which each has documents of its own.
const (
	explainedGateways = 10
	explainedRequests = 1000
)

// generator makes documents and requests of few words, so that they meet.
type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) path() string {
	return g.one("/", "/**", "/pay", "/pay/", "/pay/**", "/pay/{id}", "/pay/{id}/**", "/pay/{id}/lines", "/pay/7", "/pay/x{n}", "/payroll", "/{a}/x", "/{a}/{b}", "/pay/x/**", "/Pay", "/a.b/**", "/pay/{id}.json")
}

// condition returns a condition on the value of a header, a cookie or a query parameter.
func (g generator) condition() string {
	return g.one(`"1"`, `"2"`, `{present: true}`, `{absent: true}`, `{prefix: "1"}`, `{regex: "[12]+"}`, `{regex: ".*"}`)
}

// match returns the conditions of a match as a document has them.
func (g generator) match() string {
	var out []string
	for _, field := range [][]string{{"headers", "x-a", "x-b"}, {"query", "q", "r"}, {"cookies", "c"}} {
		if g.IntN(4) > 0 {
			continue
		}
		var conditions []string
		for _, name := range field[1:] {
			if g.IntN(2) == 0 {
				conditions = append(conditions, name+": "+g.condition())
			}
		}
		if len(conditions) > 0 {
			out = append(out, field[0]+": {"+strings.Join(conditions, ", ")+"}")
		}
	}
	return strings.Join(out, ", ")
}

// method returns the methods of a match, and nothing for every method.
func (g generator) method() string {
	return g.one("", "", "method: GET, ", "method: POST, ", "methods: [PUT, DELETE], ")
}

// documents returns what one Gateway serves. No two matches of one host are written twice.
func (g generator) documents(name string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "schema: 1\nkind: Gateway\nname: %s\nfleet: edge\naccess-log: ${LOG}\nlisteners: [{name: http, address: 127.0.0.1, port: ${%s_PORT}}]\n", name, strings.ToUpper(name))
	hosts := []string{"api.bank.test", "www.bank.test", "*.bank.test", "*.test", "*"}
	seen := map[string]bool{}
	for i := range 40 {
		host, path := g.one(hosts...), fmt.Sprintf("path: %q", g.path())
		if g.IntN(8) == 0 {
			path = fmt.Sprintf("path-regex: %q", g.one(`/pay/[0-9]+`, `/pay.*`, `/(pay|payroll)/?`, `/[a-z]+/x`))
		}
		match := g.method() + path
		if conditions := g.match(); conditions != "" {
			match += ", " + conditions
		}
		if seen[host+match] {
			continue
		}
		seen[host+match] = true
		fmt.Fprintf(&out, "---\nkind: Route\nname: %s-r%d\nexpose: {gateway: %s, hosts: [%q]}\nmatch: {%s}\nauthenticate: none\nrespond: {body: r}\n", name, i, name, host, match)
	}
	for i, base := range []string{"/payments", "/bank", "/bank/pay"} {
		fmt.Fprintf(&out, "---\nkind: API\nname: %s-a%d\nversion: v1\nexpose: [{gateway: %s, base: %s, hosts: [%q]}]\nauthenticate: none\nto: echo\nunlisted: %s\noperations:\n",
			name, i, name, base, g.one(hosts...), g.one("refuse", "forward"))
		for o := range 4 {
			fmt.Fprintf(&out, "  - {id: o%d, method: %s, path: %q}\n", o, g.one("GET", "POST"), fmt.Sprintf("/o%d%s", o, g.one("", "/{id}", "/**")))
		}
	}
	return out.String()
}

// request returns a request: its method, host, target and headers.
func (g generator) request() (method, host, target string, headers [][2]string) {
	method = g.one("GET", "GET", "POST", "PUT", "DELETE")
	host = g.one("api.bank.test", "www.bank.test", "API.Bank.test", "deep.api.bank.test", "shop.test", "bank.example", "bank.test")
	target = g.one("/", "/pay", "/pay/", "/pay/7", "/pay/x7", "/pay/7/lines", "/pay/7/lines/", "/payroll", "/other/x", "/pay/x", "/pay/x/y", "/Pay", "/a.b/c", "/aXb/c", "/pay/7.json",
		"/bank", "/bank/o1", "/bank/o2/9", "/bank/pay/o1", "/bank/pay/o3/1/2", "/payments/o0", "/payments/o2/1", "/payments", "//pay//7", "/pay/./7", "/pay/../payroll", "/pay/%37", "/pay/a%20b", "/pay%2f7", "/pay;x=1/7", "/pay/7;v=1", `/pay\7`)
	if g.IntN(2) == 0 {
		target += "?" + g.one("q=1", "q=2", "q=", "q", "q=1&r=2", "r=12", "q=%31", "q=2&q=1", "x=1", "Q=1")
	}
	for _, name := range []string{"x-a", "x-b"} {
		if g.IntN(3) == 0 {
			headers = append(headers, [2]string{name, g.one("1", "2", "12", "3")})
		}
	}
	if g.IntN(4) == 0 {
		headers = append(headers, [2]string{"cookie", g.one("c=1", "c=2; d=1", "d=1", "d=3; c=12", "c=")})
	}
	return method, host, target, headers
}

// rawClient sends requests as they are written, on one connection until the other end says that it closes.
type rawClient struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
}

// send sends a request that is named by a number, and passes over the answer.
func (c *rawClient) send(ctx context.Context, n int, method, host, target string, headers [][2]string) error {
	if c.conn == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", c.address)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: %d\r\ncontent-length: 0\r\n", method, target, host, n)
	for _, h := range headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	if _, err := io.WriteString(c.conn, out.String()+"\r\n"); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.Close {
		c.close()
	}
	return err
}

func (c *rawClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// asking is a request that was sent, with what explains it.
type asking struct {
	said   string
	answer explain.Answer
}

// TestExplainIsEnvoy sends the same requests to a real Envoy and to explain: both find the same route, each time.
func TestExplainIsEnvoy(t *testing.T) {
	t.Parallel()
	g := generator{rand.New(rand.NewPCG(8, 1))} //nolint:gosec // The same requests each time.
	first, _ := backend(t, "first", "")
	log := filepath.Join(t.TempDir(), "access.log")
	documents := map[string]string{"echo.yaml": "schema: 1\nkind: Upstream\nname: echo\nendpoints: [{address: \"${ECHO}\"}]\n"}
	for i := range explainedGateways {
		name := fmt.Sprintf("g%d", i)
		documents[name+".yaml"] = g.documents(name)
	}
	w := prepare(t, documents, map[string]string{"ECHO": first, "LOG": log})
	checked, faults := server.Check(w.dir, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	w.startServer()
	w.startEnvoy("edge", "edge-1")
	asked := make([]asking, 0, explainedGateways*explainedRequests)
	for i := range explainedGateways {
		asked = append(asked, w.explained(g, checked.Revision, w.values[fmt.Sprintf("G%d_PORT", i)], len(asked))...)
	}
	var lines []map[string]any
	w.eventually("all is logged", func() bool { lines = logged(t, log); return len(lines) >= len(asked) })
	found, wrong := map[bool]int{}, 0
	for _, line := range lines {
		var n int
		if _, err := fmt.Sscan(fmt.Sprint(line["user_agent"]), &n); err != nil || n >= len(asked) {
			t.Fatalf("a line of no request: %v", line)
		}
		name, _ := line["route"].(string)
		name, _ = envoy.ReadRouteName(name)
		if name == "not-found" {
			name = ""
		}
		if a := asked[n]; a.answer.Route != name {
			if wrong++; wrong <= 20 {
				t.Errorf("%s: Envoy takes %q, explained is %q: %s %v", a.said, name, a.answer.Route, a.answer.Why, a.answer.Rejected)
			}
		}
		found[name != ""]++
	}
	if found[true] < len(asked)/2 || found[false] == 0 || len(lines) != len(asked) {
		t.Errorf("%d requests found a route and %d did not, of %d", found[true], found[false], len(asked))
	}
}

// explained sends requests to a port and explains each.
func (w *world) explained(g generator, rev *gateway.Revision, port string, from int) []asking {
	w.t.Helper()
	client := &rawClient{address: "127.0.0.1:" + port}
	defer client.close()
	var out []asking
	for n := range explainedRequests {
		method, host, target, headers := g.request()
		said := fmt.Sprintf("%s http://%s:%s%s %v", method, host, port, target, headers)
		if err := client.send(w.t.Context(), from+n, method, host, target, headers); err != nil {
			w.t.Fatalf("%s: %v", said, err)
		}
		q := explain.Query{Method: method, URL: "http://" + host + ":" + port + target, Headers: http.Header{}}
		for _, h := range headers {
			q.Headers.Add(h[0], h[1])
		}
		answer, err := explain.Request(rev, q)
		if err != nil {
			w.t.Fatalf("%s: %v", said, err)
		}
		out = append(out, asking{said, answer})
	}
	return out
}
