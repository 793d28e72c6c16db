package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/gateway"
)

// certified is a revision of one Gateway with one listener, whose certificates are good for the hosts given as "NAME: a b".
func certified(hosts string, certificates ...string) (*gateway.Revision, map[string]gateway.KeyPair) {
	l := gateway.Listener{Name: "https", Port: 8443, Hosts: strings.Fields(hosts), TLS: &gateway.ListenerTLS{}}
	rev := &gateway.Revision{}
	pairs := map[string]gateway.KeyPair{}
	for _, c := range certificates {
		name, good, read := strings.Cut(c, ":")
		l.TLS.Certificates = append(l.TLS.Certificates, name)
		rev.Certificates = append(rev.Certificates, &gateway.Certificate{Name: name})
		if read {
			pairs[name] = gateway.KeyPair{Chain: []byte(c), Hosts: strings.Fields(good)}
		}
	}
	rev.Gateways = []*gateway.Gateway{{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{l}}}
	return rev, pairs
}

func TestCertificatesOfAListener(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, hosts  string
		certificates []string
		shown        []string // "NAME: hosts / hosts for which it is good".
		codes        []gateway.Code
	}{
		{
			"one for one", "a.test",
			[]string{"a: a.test"},
			[]string{"a: a.test / a.test"},
			nil,
		},
		{
			"exactly comes before a wildcard", "api.bank.test *.bank.test",
			[]string{"wide: *.bank.test", "own: api.bank.test"},
			[]string{"own: api.bank.test / api.bank.test", "wide: *.bank.test / api.bank.test *.bank.test"},
			nil,
		},
		{
			"every host is those of the certificates", "*",
			[]string{"b: b.test *.b.test", "a: a.test"},
			[]string{"a: a.test / a.test", "b: b.test *.b.test / b.test *.b.test"},
			nil,
		},
		{
			"a wildcard stands for one label", "bank.test eu.api.bank.test",
			[]string{"bank: *.bank.test"},
			[]string{"bank:  / "},
			[]gateway.Code{gateway.CodeHostUncovered, gateway.CodeHostUncovered, gateway.CodeServesNothing},
		},
		{
			"not all hosts", "a.test b.test",
			[]string{"a: a.test"},
			[]string{"a: a.test / a.test"},
			[]gateway.Code{gateway.CodeHostUncovered},
		},
		{
			"two for one", "a.test",
			[]string{"old: a.test", "new: a.test"},
			nil,
			[]gateway.Code{gateway.CodeTwoCertificates},
		},
		{
			"two wildcards for one", "x.a.test",
			[]string{"old: *.a.test", "new: *.a.test b.test"},
			nil,
			[]gateway.Code{gateway.CodeTwoCertificates},
		},
		{
			"one for nothing", "a.test",
			[]string{"a: a.test", "b: b.test"},
			[]string{"a: a.test / a.test", "b:  / "},
			[]gateway.Code{gateway.CodeServesNothing},
		},
		{
			"the same one twice", "a.test",
			[]string{"a: a.test", "a: a.test"},
			[]string{"a: a.test / a.test"},
			nil,
		},
		{
			"one of which nothing is known", "a.test b.test",
			[]string{"a: a.test", "b"},
			[]string{"a: a.test / a.test"},
			nil,
		},
	} {
		rev, pairs := certified(test.hosts, test.certificates...)
		var codes []gateway.Code
		for _, f := range gateway.CheckCoverage(rev, pairs) {
			codes = append(codes, f.Code)
		}
		slices.Sort(codes)
		if diff := cmp.Diff(test.codes, codes); diff != "" {
			t.Errorf("%s: faults (-want +got):\n%s", test.name, diff)
		}
		var shown []string
		for _, s := range rev.Gateways[0].Listeners[0].Show(pairs) {
			shown = append(shown, fmt.Sprintf("%s: %s / %s", s.Certificate, strings.Join(s.Hosts, " "), strings.Join(s.Good, " ")))
		}
		if diff := cmp.Diff(test.shown, shown); test.shown != nil && diff != "" {
			t.Errorf("%s: shown (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestEveryHostIsShownOneCertificate holds for whatever hosts and certificates there are: without a fault each host has exactly
// one certificate, which is good for it, and of the hosts for which one is good none is forgotten.
func TestEveryHostIsShownOneCertificate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.test", "b.test", "x.a.test", "*.a.test", "y.x.a.test", "*.x.a.test", "*.test"}), 1, 5, rapid.ID)
		certificates := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []string { return names.Draw(t, "names") }), 1, 4).Draw(t, "certificates")
		var written []string
		for i, hosts := range certificates {
			written = append(written, fmt.Sprintf("c%d: %s", i, strings.Join(hosts, " ")))
		}
		hosts := names.Draw(t, "hosts")
		rev, pairs := certified(strings.Join(hosts, " "), written...)
		sound := len(gateway.CheckCoverage(rev, pairs)) == 0
		for _, host := range hosts {
			shown := 0
			for _, s := range rev.Gateways[0].Listeners[0].Show(pairs) {
				good := pairs[s.Certificate].Covers(host)
				if good != slices.Contains(s.Good, host) {
					t.Fatalf("%s is good for %s: %t, and the hosts for which it is are %v", s.Certificate, host, good, s.Good)
				}
				if slices.Contains(s.Hosts, host) {
					shown++
					if !good {
						t.Fatalf("%s is shown for %s", s.Certificate, host)
					}
				}
			}
			if shown > 1 || sound && shown != 1 {
				t.Fatalf("%d certificates are shown for %s; faults: %t", shown, host, !sound)
			}
		}
	})
}

// TestReplace takes over what fits the listeners and leaves out what does not, one certificate at a time.
func TestReplace(t *testing.T) {
	t.Parallel()
	rev, used := certified("a.test b.test", "a: a.test", "b: b.test")
	_, fresh := certified("", "a: a.test renewed.test", "b: other.test")
	now, faults := gateway.Replace(rev, used, fresh)
	if !now["a"].Same(fresh["a"]) || !now["b"].Same(used["b"]) {
		t.Errorf("in use are %s and %s", now["a"].Chain, now["b"].Chain)
	}
	if len(faults) == 0 || len(gateway.CheckCoverage(rev, now)) > 0 {
		t.Errorf("faults of what is left out: %v", faults)
	}
	now, faults = gateway.Replace(rev, nil, used)
	if len(faults) > 0 || len(now) != 2 {
		t.Errorf("at a start: %v, %v", now, faults)
	}
	_, moved := certified("", "a: b.test", "b: a.test")
	if now, faults = gateway.Replace(rev, used, moved); len(faults) > 0 || !now["a"].Same(moved["a"]) || !now["b"].Same(moved["b"]) {
		t.Errorf("two that change places together: %v", faults)
	}
}

func TestRedirectsAndNamesOfCertificates(t *testing.T) {
	t.Parallel()
	https := func(name string, port int, hosts ...string) gateway.Listener {
		return gateway.Listener{Name: name, Port: port, Hosts: hosts, TLS: &gateway.ListenerTLS{Certificates: []string{"bank"}}}
	}
	plain := gateway.Listener{Name: "http", Port: 8080, Hosts: []string{"a.test", "x.b.test"}, Redirect: &gateway.Redirect{Status: 308}}
	docs := &gateway.Documents{
		Certificates: []*gateway.Certificate{{Name: "bank"}},
		Gateways:     []*gateway.Gateway{{Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{plain, https("one", 1, "a.test", "*.b.test"), https("two", 2, "x.b.test")}}},
	}
	if _, faults := gateway.Assemble(docs, nil); len(faults) > 0 {
		t.Error(faults)
	}
	g := docs.Gateways[0]
	if a, b := g.RedirectPort(&plain, "a.test"), g.RedirectPort(&plain, "x.b.test"); a != 1 || b != 2 {
		t.Errorf("a.test is sent to port %d, x.b.test to port %d", a, b)
	}
	g.Listeners[0].Hosts = append(g.Listeners[0].Hosts, "c.test")
	g.Listeners[1].TLS.Certificates = []string{"bunk"}
	var codes []gateway.Code
	_, faults := gateway.Assemble(docs, nil)
	for _, f := range faults {
		codes = append(codes, f.Code)
	}
	if slices.Sort(codes); !slices.Equal(codes, []gateway.Code{gateway.CodeDangling, gateway.CodeNoRedirect}) {
		t.Errorf("faults %v", faults)
	}
	g.Listeners[0].Redirect.Port = 443
	g.Listeners[1].TLS.Certificates = []string{"bank"}
	if _, faults := gateway.Assemble(docs, nil); len(faults) > 0 {
		t.Errorf("with a port that is written: %v", faults)
	}
}
