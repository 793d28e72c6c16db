package gateway_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// streaming returns documents of a Gateway that passes on connections, and of Routes written as "NAME SPOKEN LISTENER HOSTS".
func streaming(routes ...string) *gateway.Documents {
	docs := &gateway.Documents{
		Gateways: []*gateway.Gateway{{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{
			{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}},
			{Name: "secure", Address: "127.0.0.1", Port: 9443, Speaks: gateway.SpeaksTLS, Names: []string{"*.bank.test"}},
			{Name: "database", Address: "127.0.0.1", Port: 5432, Speaks: gateway.SpeaksTCP},
		}}},
		Upstreams: []*gateway.Upstream{{Name: "ledger"}},
	}
	for _, text := range routes {
		f := strings.Fields(text)
		docs.APIs = append(docs.APIs, &gateway.API{
			Kind: gateway.KindRoute, Name: f[0], Speaks: gateway.Spoken(f[1]), Unlisted: gateway.Refuse,
			Expose: []gateway.Exposure{{Gateway: "edge", Listener: f[2], Hosts: f[3:]}},
			To:     []gateway.Destination{{Upstream: "ledger", Weight: 1}},
		})
	}
	return docs
}

func TestStreamsOfAListener(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		routes []string
		want   []string // "NAME LISTENER NAMES".
		codes  []gateway.Code
	}{
		"each its own":           {[]string{"a tls secure a.bank.test", "b tls secure *.bank.test", "c tcp database"}, []string{"route/a secure a.bank.test", "route/b secure *.bank.test", "route/c database"}, nil},
		"every name":             {[]string{"a tls secure"}, []string{"route/a secure *.bank.test"}, nil},
		"what it serves of them": {[]string{"a tls secure *"}, []string{"route/a secure *.bank.test"}, nil},
		"the same name":          {[]string{"a tls secure a.bank.test", "b tls secure a.bank.test b.bank.test"}, []string{"route/a secure a.bank.test"}, []gateway.Code{"GH271", "GH271"}},
		"the same port":          {[]string{"a tcp database", "b tcp database"}, []string{"route/a database"}, []gateway.Code{"GH271", "GH271"}},
		"another name":           {[]string{"a tls secure other.test"}, []string{"route/a secure"}, []gateway.Code{gateway.CodeHostNotServed}},
		"HTTP":                   {[]string{"a tcp http"}, nil, []gateway.Code{gateway.CodeListener}},
		"another protocol":       {[]string{"a tls database"}, nil, []gateway.Code{gateway.CodeListener}},
		"no such listener":       {[]string{"a tcp nothing"}, nil, []gateway.Code{gateway.CodeListener}},
	} {
		rev, faults := gateway.Assemble(streaming(test.routes...), nil)
		var got []string
		for _, s := range rev.Streams {
			got = append(got, strings.Join(append([]string{s.Name, s.Listener}, s.Names...), " "))
		}
		var codes []gateway.Code
		for _, f := range faults {
			codes = append(codes, f.Code)
		}
		if !slices.Equal(got, test.want) || !slices.Equal(codes, test.codes) {
			t.Errorf("%s: %q, want %q; faults %v", name, got, test.want, faults)
		}
	}
}

// TestAStreamIsQuarantined lets a Route with a fault keep what it was, and be nothing where it never was.
func TestAStreamIsQuarantined(t *testing.T) {
	t.Parallel()
	live, faults := gateway.Assemble(streaming("a tcp database"), nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	docs := streaming("a tcp database")
	docs.APIs[0].To[0].Upstream = "nothing"
	_, faults = gateway.Assemble(docs, nil)
	for name, test := range map[string]struct {
		live    *gateway.Revision
		streams int
	}{"known from before": {live, 1}, "never known": {nil, 0}} {
		instead, shared, done := gateway.Quarantine(docs, test.live, faults)
		rev, left := gateway.Assemble(instead, nil)
		if len(shared) > 0 || len(done) != 1 || len(left) > 0 || len(rev.Streams) != test.streams || len(rev.Routes) > 0 {
			t.Errorf("%s: shared %v, done %v, left %v, %d streams, %d routes", name, shared, done, left, len(rev.Streams), len(rev.Routes))
		}
	}
}

// TestStreamsAreGranted lets teams expose only names that are theirs, and ports only where every host is.
func TestStreamsAreGranted(t *testing.T) {
	t.Parallel()
	for hosts, want := range map[string]int{"*": 0, "a.bank.test": 1} {
		docs := streaming("a tls secure a.bank.test", "b tcp database")
		docs.Gateways[0].Allow = []gateway.Grant{{Team: "ledger", Hosts: []string{hosts}}}
		for _, api := range docs.APIs {
			api.Team = "ledger"
		}
		_, faults := gateway.Assemble(docs, nil)
		if len(faults) != want || want > 0 && faults[0].Code != gateway.CodeNotGranted {
			t.Errorf("granted %s: %v", hosts, faults)
		}
	}
}

// TestHTTPChoosesNoListener holds that what speaks HTTP is at every listener that serves its hosts.
func TestHTTPChoosesNoListener(t *testing.T) {
	t.Parallel()
	docs := streaming("a tcp http")
	docs.APIs[0].Speaks = gateway.SpeaksHTTP
	if _, faults := gateway.Assemble(docs, nil); len(faults) != 1 || faults[0].Code != gateway.CodeListener {
		t.Errorf("faults %v", faults)
	}
}
