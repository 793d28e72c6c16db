//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// witness is a backend that notes what it was asked for.
type witness struct {
	mu   sync.Mutex
	seen []string // "host path", in the order of arrival.
}

func (n *witness) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	n.seen = append(n.seen, r.Host+" "+r.URL.Path)
	n.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
}

// saw reports whether it was asked for something that ends so.
func (n *witness) saw(end string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.seen, func(s string) bool { return strings.HasSuffix(s, end) })
}

// all returns what it was asked for.
func (n *witness) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.seen)
}

func (n *witness) listen(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: n}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

// smuggled is a request that a server believes to see where it reads the framing of the one before otherwise than Envoy.
const smuggled = "GET /private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n"

// smuggling writes requests whose end can be read in two ways (RFC 9112 6.3, 11.2). Each is refused, and nothing that is hidden in
// one reaches a backend.
func smuggling(t *testing.T, w *world, n *witness) {
	const begin = "POST /witness HTTP/1.1\r\nhost: api.bank.test\r\n"
	chunked := "0\r\n\r\n" + smuggled
	for name, text := range map[string]string{
		"CL.TE":                         begin + fmt.Sprintf("content-length: %d\r\ntransfer-encoding: chunked\r\n\r\n", len(chunked)) + chunked,
		"TE.CL":                         begin + "transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"TE.TE, two lines":              begin + "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n" + chunked,
		"TE.TE, a list":                 begin + "transfer-encoding: chunked, identity\r\n\r\n" + chunked,
		"TE.TE, another word":           begin + "content-length: 4\r\ntransfer-encoding: xchunked\r\n\r\n" + chunked,
		"TE.TE, chunked twice":          begin + "content-length: 4\r\ntransfer-encoding: chunked, chunked\r\n\r\n" + chunked,
		"TE.TE, a vertical tab":         begin + "content-length: 4\r\ntransfer-encoding: \x0bchunked\r\n\r\n" + chunked,
		"TE, a blank before the colon":  begin + "content-length: 4\r\ntransfer-encoding : chunked\r\n\r\n" + chunked,
		"TE, folded":                    begin + "content-length: 4\r\ntransfer-encoding:\r\n chunked\r\n\r\n" + chunked,
		"two lengths":                   begin + fmt.Sprintf("content-length: 0\r\ncontent-length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"two lengths in a list":         begin + "content-length: 0, 5\r\n\r\n" + smuggled,
		"a length with a sign":          begin + "content-length: +5\r\n\r\nhello" + smuggled,
		"a negative length":             begin + "content-length: -1\r\n\r\n" + smuggled,
		"a length in hexadecimal":       begin + "content-length: 0x5\r\n\r\nhello" + smuggled,
		"a length that is too large":    begin + "content-length: 99999999999999999999999\r\n\r\n" + smuggled,
		"a chunk that is too large":     begin + "transfer-encoding: chunked\r\n\r\nfffffffffffffffff1\r\n" + smuggled,
		"a chunk with a sign":           begin + "transfer-encoding: chunked\r\n\r\n-1\r\n" + smuggled,
		"a NUL in a header":             begin + "x-a: b\x00c\r\ncontent-length: 0\r\n\r\n",
		"a header without a name":       begin + ": b\r\ncontent-length: 0\r\n\r\n",
		"a header without a colon":      begin + "x-a\r\ncontent-length: 0\r\n\r\n",
		"a name with an underscore":     begin + "content_length: 5\r\ncontent-length: 0\r\n\r\n",
		"a host that is none":           "GET /witness HTTP/1.1\r\nhost: api.bank.test/x?y#z\r\n\r\n",
		"no host":                       "GET /witness HTTP/1.1\r\n\r\n",
		"HTTP/0.9":                      "GET /witness\r\n\r\n",
		"a version that is none":        "GET /witness HTTP/1.1x\r\nhost: api.bank.test\r\n\r\n",
		"a target with a blank":         "GET /witness /private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
		"an encoded NUL in the path":    "GET /witness/%00 HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
		"an encoded slash in the path":  "GET /witness%2fx HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
		"a fragment in the path":        "GET /witness#/private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
		"a method that is no word":      "GE(T /witness HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
		"CONNECT":                       "CONNECT api.bank.test:443 HTTP/1.1\r\nhost: api.bank.test:443\r\n\r\n",
		"CONNECT to a path of the site": "CONNECT /witness HTTP/1.1\r\nhost: api.bank.test\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tell(t, w, "IDLE_PORT", text); got >= 200 && got < 400 {
				t.Errorf("it is answered with %d", got)
			}
		})
	}
	// What Envoy puts right: it writes requests anew, so that the backend reads what Envoy did.
	for name, text := range map[string]string{
		"a chunk longer than it says": begin + "transfer-encoding: chunked\r\n\r\n1\r\nabcdef\r\n0\r\n\r\n" + smuggled,
		"a bare CR in a header":       begin + "x-a: b\rcontent-length: 5\r\n\r\n" + smuggled,
		"bare LF":                     "POST /witness/lf HTTP/1.1\nhost: api.bank.test\ncontent-length: 0\n\n" + smuggled,
	} {
		_ = tell(t, w, "IDLE_PORT", text)
		if n.saw("/private") {
			t.Errorf("%s: a backend saw %q", name, n.all())
		}
	}
	if got := tell(t, w, "PLAIN_PORT", "GET / HTTP/1.1\r\nhost: api.bank.test\r\nhost: api.bank.test\r\n\r\n"); got != http.StatusNotFound {
		t.Errorf("two hosts are answered with %d where hosts are named", got)
	}
	t.Cleanup(func() {
		if n.saw("/private") {
			t.Error("what was hidden in a request reached a backend")
		}
	})
}

// otherPlaces names another host or path than the one by which the route is chosen: backends see what the route was chosen by.
func otherPlaces(t *testing.T, w *world, n *witness) {
	for name, test := range map[string]struct {
		text   string
		status int
	}{
		"in the target":          {"GET http://api.bank.test/witness/target HTTP/1.1\r\nhost: other.test\r\n\r\n", 200},
		"in the target, private": {"GET http://api.bank.test/private HTTP/1.1\r\nhost: other.test\r\n\r\n", 401},
		"in headers": {"GET /private HTTP/1.1\r\nhost: api.bank.test\r\nx-original-url: /witness/h\r\nx-rewrite-url: /witness/h\r\nx-envoy-original-path: /witness/h\r\n" +
			"x-forwarded-host: other.test\r\nx-http-method-override: OPTIONS\r\nx-forwarded-prefix: /witness\r\n\r\n", 401},
		"dots":                 {"GET /witness/../private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"encoded dots":         {"GET /witness/%2e%2E/private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"slashes":              {"GET //private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"a backslash":          {"GET /witness\\..\\private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"an encoded backslash": {"GET /witness%5c..%5cprivate HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 400},
		"a semicolon":          {"GET /witness/..;/private HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"an encoded letter":    {"GET /%70rivate HTTP/1.1\r\nhost: api.bank.test\r\n\r\n", 401},
		"a dot behind":         {"GET /private HTTP/1.1\r\nhost: api.bank.test.\r\n\r\n", 401},
	} {
		if got := tell(t, w, "IDLE_PORT", test.text); got != test.status {
			t.Errorf("%s: status %d, want %d", name, got, test.status)
		}
	}
	if n.saw("/private") || n.saw("other.test /witness/target") || !n.saw("api.bank.test /witness/target") {
		t.Errorf("the backend saw %q", n.all())
	}
}

// framed sends a request of HTTP/2 of these fields, and data where there is some, and returns the status of the answer; 0 where the
// stream or the connection is ended instead.
func framed(t *testing.T, w *world, data string, fields ...string) int {
	t.Helper()
	c := dialTCP(t, "127.0.0.1:"+w.values["IDLE_PORT"])
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if err := encoder.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := io.WriteString(c, http2.ClientPreface)
	f := http2.NewFramer(c, c)
	f.AllowIllegalWrites = true
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	err = errors.Join(err, f.WriteSettings(), f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: data == "",
	}))
	if data != "" {
		err = errors.Join(err, f.WriteData(1, true, []byte(data)))
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return 0 // It hung up.
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status := 0
			_, _ = fmt.Sscan(frame.PseudoValue("status"), &status)
			return status
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return 0
		}
	}
}

// smugglingByFrames writes what HTTP/2 does not allow and HTTP/1.1, which the backend speaks, would read (RFC 9113 8.2, 8.3, 10.3).
func smugglingByFrames(t *testing.T, w *world, n *witness) {
	get := func(more ...string) []string {
		return append([]string{":method=GET", ":scheme=http", ":authority=api.bank.test", ":path=/witness/h2"}, more...)
	}
	post := append([]string{":method=POST"}, get()[1:]...)
	for name, test := range map[string]struct {
		data   string
		fields []string
		good   bool
	}{
		"as it should be":           {"", get(), true},
		"another host":              {"", get("host=other.test"), true}, // The authority counts (RFC 9113 8.3.1).
		"a transfer-encoding":       {smuggled, append(post, "transfer-encoding=chunked"), false},
		"a length of nothing":       {smuggled, append(post, "content-length=0"), false},
		"a length that is short":    {smuggled, append(post, "content-length=4"), false},
		"a connection header":       {"", get("connection=upgrade"), false},
		"an upgrade":                {"", get("upgrade=websocket"), false},
		"a line break in a value":   {"", get("x-a=b\r\n" + smuggled), false},
		"a line break in a name":    {"", get("x-a: b\r\ntransfer-encoding=chunked"), false},
		"a line break in the path":  {"", []string{":method=GET", ":scheme=http", ":authority=api.bank.test", ":path=/witness HTTP/1.1\r\nhost: api.bank.test\r\n\r\n" + smuggled}, false},
		"a line break in a method":  {"", []string{":method=GET /private HTTP/1.1\r\nx: ", ":scheme=http", ":authority=api.bank.test", ":path=/witness"}, false},
		"a blank in the authority":  {"", []string{":method=GET", ":scheme=http", ":authority=api.bank.test /private", ":path=/witness"}, false},
		"two paths":                 {"", get(":path=/private"), false},
		"a path behind the headers": {"", []string{":method=GET", ":scheme=http", ":authority=api.bank.test", "x-a=b", ":path=/witness"}, false},
		"no path":                   {"", []string{":method=GET", ":scheme=http", ":authority=api.bank.test"}, false},
		"a path without a slash":    {"", []string{":method=GET", ":scheme=http", ":authority=api.bank.test", ":path=witness"}, false},
		"a name in capitals":        {"", get("X-A=b"), false},
		"CONNECT":                   {"", []string{":method=CONNECT", ":authority=api.bank.test:443"}, false},
		"CONNECT for a WebSocket":   {"", []string{":method=CONNECT", ":protocol=websocket", ":scheme=http", ":authority=api.bank.test", ":path=/chat"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := framed(t, w, test.data, test.fields...)
			if good := got >= 200 && got < 400; good != test.good {
				t.Errorf("status %d", got)
			}
		})
	}
	t.Cleanup(func() {
		if n.saw("/private") || n.saw("other.test /witness/h2") {
			t.Error("what was hidden in a request reached a backend")
		}
	})
}

// lies names by which clients might say who they are, for Envoy or Gatehouse: none arrives.
func lies(t *testing.T, w *world) {
	headers := []string{
		"x-forwarded-client-cert: By=mallory", "x-gatehouse-consumer: mallory", "x-gatehouse-identity: mallory", "x-gatehouse-rules: mallory",
		"x-envoy-internal: mallory", "x-envoy-expected-rq-timeout-ms: 31", "x-envoy-upstream-alt-stat-name: mallory",
		"x-forwarded-for: 192.0.2.77", "x-forwarded-proto: mallory", "x-forwarded-port: 1234", "x-real-ip: 192.0.2.77", "forwarded: for=192.0.2.77",
	}
	a := w.get(w.url("IDLE_PORT", "/lies"), append(headers, "host: api.bank.test")...)
	if a.status != 200 {
		t.Fatalf("status %d", a.status)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if got := strings.Join(a.echoed(t).Headers[name], ", "); strings.Contains(got, value) {
			t.Errorf("%s: %s arrives", name, got)
		}
	}
}
