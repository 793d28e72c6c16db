package xds_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// watchedRevision returns APIs on many hosts, whose Upstreams and Issuer are all observed.
func watchedRevision(t testing.TB, hosts, each int) (*gateway.Revision, *gateway.Observed) {
	t.Helper()
	docs := &gateway.Documents{
		Gateways: []*gateway.Gateway{{
			Name: "edge", Fleet: "edge", Listeners: []gateway.Listener{{Name: "http", Address: "127.0.0.1", Port: 8080, Hosts: []string{"*"}}},
		}},
		Issuers: []*gateway.Issuer{{Name: "bank", Issuer: "https://id.bank.test", KeyFile: "bank.json"}},
	}
	now := &gateway.Observed{Endpoints: map[string][]gateway.Endpoint{}, KeySets: map[string][]byte{"bank": []byte(`{"keys":[1]}`)}}
	for i := range hosts {
		name := fmt.Sprintf("api-%d", i)
		docs.Upstreams = append(docs.Upstreams, &gateway.Upstream{Name: name, Discovery: &gateway.Discovery{Pushed: true}})
		now.Endpoints[name] = []gateway.Endpoint{{Address: "192.0.2.1:80", Weight: 1}}
		api := &gateway.API{
			Kind: gateway.KindAPI, Name: name, Version: "v1", Unlisted: gateway.Refuse,
			Expose:       []gateway.Exposure{{Gateway: "edge", Hosts: []string{name + ".bank.test"}}},
			To:           []gateway.Destination{{Upstream: name, Weight: 1}},
			Authenticate: &gateway.Authenticate{Any: []gateway.Proof{{JWT: "bank"}}},
		}
		for k := range each {
			path, err := gateway.ParsePath(fmt.Sprintf("/a%d/{id}", k))
			if err != nil {
				t.Fatal(err)
			}
			api.Operations = append(api.Operations, gateway.Operation{ID: fmt.Sprint("op-", k), Match: gateway.Match{Path: path}})
		}
		docs.APIs = append(docs.APIs, api)
	}
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return rev, now
}

// moved is what is observed after one Upstream's endpoints changed.
func moved(before *gateway.Observed, upstream string, endpoints ...gateway.Endpoint) *gateway.Observed {
	next := &gateway.Observed{Endpoints: maps.Clone(before.Endpoints), KeySets: before.KeySets}
	next.Endpoints[upstream] = endpoints
	return next
}

// unknown is what is observed where nothing is known of one Upstream.
func unknown(before *gateway.Observed, upstream string) *gateway.Observed {
	next := moved(before, upstream)
	delete(next.Endpoints, upstream)
	return next
}

// TestObserve holds what Observe returns against a whole compilation with the same observations, and counts what is new.
func TestObserve(t *testing.T) {
	t.Parallel()
	rev, now := watchedRevision(t, 5, 3)
	table, faults := xds.Compile(rev, now, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if same, err := table.Observe(now); err != nil || same != table {
		t.Errorf("nothing changed, and there is another table: %v", err)
	}
	keys := &gateway.Observed{Endpoints: now.Endpoints, KeySets: map[string][]byte{"bank": []byte(`{"keys":[2]}`)}}
	for name, test := range map[string]struct {
		observed *gateway.Observed
		kind     string
	}{
		"endpoints":    {moved(now, "api-2", gateway.Endpoint{Address: "192.0.2.9:80", Weight: 1}), cache.TypeEndpoints},
		"none left":    {moved(now, "api-2"), cache.TypeEndpoints},
		"none known":   {unknown(now, "api-2"), cache.TypeEndpoints},
		"rotated keys": {keys, cache.TypeExtension},
	} {
		next, err := table.Observe(test.observed)
		if err != nil {
			t.Fatal(err)
		}
		whole, faults := xds.Compile(rev, test.observed, nil)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if got, want := next.Snapshot("edge").Version(), whole.Snapshot("edge").Version(); got != want {
			t.Errorf("%s: the snapshot is not what a compilation makes", name)
		}
		for _, kind := range cache.Types() {
			fresh := 0
			before := table.Snapshot("edge").Resources(kind)
			for i, r := range next.Snapshot("edge").Resources(kind) {
				if r != before[i] {
					fresh++
				}
			}
			if want := map[bool]int{true: 1}[kind == test.kind]; fresh != want {
				t.Errorf("%s: %d new resources of type %s, want %d", name, fresh, kind, want)
			}
		}
	}
}

// TestIssuerWithoutKeys must not reach an Envoy, which would refuse the configuration of all issuers for it.
func TestIssuerWithoutKeys(t *testing.T) {
	t.Parallel()
	rev, now := watchedRevision(t, 1, 1)
	now.KeySets = nil
	_, faults := xds.Compile(rev, now, nil)
	if len(faults) != 1 || faults[0].Code != gateway.CodeKeySet || faults[0].Object.Name != "bank" {
		t.Errorf("got %v", faults)
	}
}

// BenchmarkObserve changes one endpoint of 5,000 routes on 100 hosts, and on 5,000.
func BenchmarkObserve(b *testing.B) {
	for _, size := range [][2]int{{100, 50}, {5000, 1}} {
		b.Run(fmt.Sprintf("hosts=%d", size[0]), func(b *testing.B) {
			rev, now := watchedRevision(b, size[0], size[1])
			table, faults := xds.Compile(rev, now, nil)
			if len(faults) > 0 {
				b.Fatal(faults)
			}
			after := moved(now, "api-7", gateway.Endpoint{Address: "192.0.2.9:80", Weight: 1})
			for b.Loop() {
				if _, err := table.Observe(after); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
