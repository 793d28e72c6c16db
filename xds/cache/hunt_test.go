package cache

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
)

// secretsOf spells a snapshot of secrets s00, s01..., in the given content.
func secretsOf(n int, content string) string {
	words := make([]string, n)
	for i := range words {
		words[i] = fmt.Sprintf("secret:s%02d@%s", i, content)
	}
	return strings.Join(words, " ")
}

// just answers what a stream says as an Envoy would that refuses any response with a guilty resource and applies nothing of it.
// It returns how many responses it refused and accepted, and what it has in the end.
func just(t *testing.T, s *stream, out []output, guilty ...string) (refused, accepted int, has map[string]string) {
	t.Helper()
	has = map[string]string{}
	for len(out) > 0 {
		if refused+accepted > 1000 {
			t.Fatal("it never ends")
		}
		response := out[0].message
		req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: response.GetTypeUrl(), ResponseNonce: response.GetNonce()}
		if slices.ContainsFunc(response.GetResources(), func(r *discoveryv3.Resource) bool { return slices.Contains(guilty, r.GetName()) }) {
			req.ErrorDetail = &rpcstatus.Status{Message: "no"}
			refused++
		} else {
			accepted++
			for _, r := range response.GetResources() {
				has[r.GetName()] = r.GetVersion()
			}
		}
		more, _, err := s.Request(req)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out[1:], more...)
	}
	return refused, accepted, has
}

func TestGuiltyResourceIsFoundAndTheOthersAreApplied(t *testing.T) {
	for _, n := range []int{2, 3, 7, 8, 50, 99} {
		for _, at := range []int{0, n / 2, n - 1} {
			s, words := newStream(1000), secretsOf(n, "1")
			s.Use(shot(t, words))
			out, _, err := s.Request(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeSecret, ResourceNamesSubscribe: []string{"*"}})
			if err != nil {
				t.Fatal(err)
			}
			bad := fmt.Sprintf("s%02d", at)
			refused, accepted, has := just(t, s, out, bad)
			if most := bits.Len(uint(n)) + 3; refused+accepted > most+1 {
				t.Errorf("%d resources, number %d guilty: %d responses, want at most %d", n, at, refused+accepted, most+1)
			}
			if _, ok := has[bad]; ok || len(has) != n-1 {
				t.Errorf("%d resources, number %d guilty: %d are applied", n, at, len(has))
			}
			if got := s.types[secrets].refusing(&s.target.sets[secrets]); len(got) != 1 || got[0].Name != bad {
				t.Errorf("%d resources, number %d guilty: %v are refused", n, at, got)
			}
			if got := s.state(); got != StateRefused {
				t.Errorf("state %s", got)
			}
		}
	}
}

func TestTwoGuiltyResourcesAreFound(t *testing.T) {
	s := newStream(1000)
	s.Use(shot(t, secretsOf(32, "1")))
	out, _, err := s.Request(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeSecret, ResourceNamesSubscribe: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, has := just(t, s, out, "s03", "s29")
	if len(has) != 30 {
		t.Errorf("%d of 30 innocent ones are applied", len(has))
	}
}

// A client that refuses everything costs a bounded number of responses, and one for each resource that changes later.
func TestClientThatRefusesEverything(t *testing.T) {
	const n = 64
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("s%02d", i))
	}
	s := newStream(1000)
	s.Use(shot(t, secretsOf(n, "1")))
	out, _, err := s.Request(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: TypeSecret, ResourceNamesSubscribe: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	refused, _, _ := just(t, s, out, all...)
	if most := 2*bits.Len(uint(n)) + 3; refused > most {
		t.Errorf("%d responses are refused, want at most %d", refused, most)
	}
	for i := range 20 {
		words := strings.Replace(secretsOf(n, "1"), "s07@1", fmt.Sprint("s07@", i+2), 1)
		if refused, accepted, _ := just(t, s, s.Use(shot(t, words)), all...); refused+accepted != 1 {
			t.Fatalf("change %d of one resource: %d responses", i, refused+accepted)
		}
	}
}

func TestHuntGoesStepByStep(t *testing.T) {
	c := newClient(t, "secret:a@1 secret:b@1 secret:c@1 secret:d@1")
	c.asks("secret", "+*", "secret +a +b +c +d")
	c.nacks("secret", "secret +a +b")
	if got := c.stream.state(); got != StateBehind {
		t.Errorf("state %s while it looks for the guilty one", got)
	}
	c.use("secret:a@1 secret:b@1 secret:c@1 secret:d@1 secret:e@1") // waits, it would only be one more suspect
	c.acks("secret", "secret +c")                                   // so it is c or d
	c.acks("secret", "secret +d")
	c.nacks("secret", "secret +e")
	c.acks("secret")
	c.use("secret:a@1 secret:b@1 secret:c@1 secret:d@2 secret:e@1", "secret +d")
	c.acks("secret")
	if got := c.stream.state(); got == StateRefused {
		t.Errorf("state %s after all is mended", got)
	}
}

// What changes while the guilty one is looked for is no suspect any more.
func TestHuntLetsGoWhatChanges(t *testing.T) {
	c := newClient(t, "secret:a@1 secret:b@1 secret:c@1 secret:d@1")
	c.asks("secret", "+*", "secret +a +b +c +d")
	c.nacks("secret", "secret +a +b")
	c.use("secret:a@2 secret:b@2 secret:c@2 secret:d@1")
	c.acks("secret", "secret +d")
	c.acks("secret", "secret +a +b +c")
	c.acks("secret")
}

func TestEnvoysWordsShortenTheHunt(t *testing.T) {
	for name, test := range map[string]struct {
		kind, text string
		want       string // what is sent next
	}{
		"clusters are named":          {"cluster", "Error adding/updating cluster(s) c: malformed IP address, x: other", ""},
		"listeners are named":         {"listener", "Error adding/updating listener(s) c: error adding listener: 'c' has duplicate address", ""},
		"a dump names one":            {"cluster", `name: "c"` + "\n: Proto constraint validation failed", "cluster +c"},
		"words that name nobody":      {"vhost", "missing ]: [", "vhost +rc/a +rc/b"},
		"named, but not where it may": {"secret", "Error adding/updating cluster(s) c: no", "secret +a +b"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, "cluster:a@1 cluster:b@1 cluster:c@1 cluster:d@1 listener:a@1 listener:b@1 listener:c@1 listener:d@1 "+
				"secret:a@1 secret:b@1 secret:c@1 secret:d@1 rds:rc@1 vhost:rc/a@1 vhost:rc/b@1 vhost:rc/c@1 vhost:rc/d@1")
			if test.kind == "vhost" {
				c.asks("rds", "+rc", "rds +rc")
			}
			prefix := map[bool]string{true: "rc/"}[test.kind == "vhost"]
			c.asks(test.kind, "+*", fmt.Sprintf("%s +%[2]sa +%[2]sb +%[2]sc +%[2]sd", test.kind, prefix))
			want := []string{test.want}
			if test.want == "" {
				want = nil
			}
			c.sends(&discoveryv3.DeltaDiscoveryRequest{
				TypeUrl: kindNamed(t, test.kind).url(), ResponseNonce: c.nonces[test.kind], ErrorDetail: &rpcstatus.Status{Message: test.text},
			}, want...)
			if test.want == "" {
				status := c.stream.status()[0]
				if status.Acknowledged != 3 || status.Refused != 1 || c.stream.state() != StateRefused {
					t.Errorf("%d of 4 are acknowledged, %d refused, state %s", status.Acknowledged, status.Refused, c.stream.state())
				}
			}
		})
	}
}

func TestRetrySendsOnceMore(t *testing.T) {
	c := newClient(t, "secret:a@1 secret:b@1")
	c.asks("secret", "+*", "secret +a +b")
	c.nacks("secret", "secret +a")
	c.acks("secret", "secret +b")
	c.nacks("secret")
	c.expect(c.stream.Retry(), "secret +b")
	c.nacks("secret")
	c.expect(c.stream.Retry(), "secret +b")
	c.acks("secret")
	c.expect(c.stream.Retry())
}

// What two other nodes refused is not offered, unless somebody insists.
func TestBarredContentIsNotOffered(t *testing.T) {
	c := newClient(t, "")
	c.stream.barred = func(_ kind, name, _ string) bool { return name == "bad" }
	c.asks("secret", "+*")
	c.use("secret:bad@1 secret:good@1", "secret +good")
	c.acks("secret")
	if got := c.stream.state(); got != StateRefused {
		t.Errorf("state %s", got)
	}
	c.expect(c.stream.Retry(), "secret +bad")
	c.acks("secret")
	c.asks("rds", "+bad", "rds -bad") // a question is answered
}
