package cache

import (
	"fmt"
	"strconv"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
)

// fuzzLimit is the bound on names of the fuzzed stream.
const fuzzLimit = 40

// hostile turns bytes into whatever a client could send, in any order: it knows no protocol.
type hostile struct {
	data   []byte
	nonces []string // of all responses so far, the last 8
	fresh  int      // for names that never came before
}

func (h *hostile) byte() byte {
	if len(h.data) == 0 {
		return 0
	}
	b := h.data[0]
	h.data = h.data[1:]
	return b
}

func (h *hostile) name() string {
	words := []string{"a", "b", "*", "", "rc", "rc/a", "rc/b", "/", "nobody"}
	b := int(h.byte())
	if b >= 128 {
		h.fresh++
		return "n" + strconv.Itoa(h.fresh)
	}
	return words[b%len(words)]
}

func (h *hostile) names() []string {
	names := make([]string, h.byte()%5)
	for i := range names {
		names[i] = h.name()
	}
	return names
}

func (h *hostile) request() *discoveryv3.DeltaDiscoveryRequest {
	req := &discoveryv3.DeltaDiscoveryRequest{
		TypeUrl:                  kind(h.byte() % byte(kinds)).url(),
		ResourceNamesSubscribe:   h.names(),
		ResourceNamesUnsubscribe: h.names(),
		InitialResourceVersions:  map[string]string{},
	}
	for _, name := range h.names() {
		req.InitialResourceVersions[name] = []string{"", "?", "1"}[h.byte()%3]
	}
	if b := h.byte(); b%4 > 0 && len(h.nonces) > 0 {
		req.ResponseNonce = h.nonces[int(b/4)%len(h.nonces)]
	}
	if h.byte()%2 == 1 {
		req.ErrorDetail = &rpcstatus.Status{Message: "no"}
	}
	return req
}

// FuzzStream sends a stream what no client would. It must neither panic nor keep more than its bounds, and whatever it says
// must be a response that a client can read.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 2, 1})
	f.Add([]byte("\x02\x00\x05\x01\x01\x04\x00\x00\x00\x05\x06\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte("\x00\x01\x04\xff\xff\xff\xff\x00\x00\x01\x01\x01\x04\xff\xff\xff\xff"))
	shots := []*Snapshot{
		shot(f, ""),
		shot(f, "cluster:a@1 eds:a@1 secret:a@1 listener:b@1 rds:rc@1 vhost:rc/a@1 ecds:a@1"),
		shot(f, "cluster:a@2 cluster:b@1 eds:a@1 eds:b@1 secret:a@2 listener:b@2 rds:rc@2 vhost:rc/a@2 vhost:rc/b@1"),
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h := &hostile{data: data}
		s := newStream(fuzzLimit)
		s.barred = func(_ kind, name, _ string) bool { return name == "b" }
		for len(h.data) > 0 {
			var out []output
			switch h.byte() % 9 {
			case 0:
				out = s.Use(shots[int(h.byte())%len(shots)])
			case 1:
				out = s.Expire(s.Waiting()[int(h.byte())%int(waits)])
			case 8:
				out = s.Retry()
			default:
				out, _, _ = s.Request(h.request()) // an error would end the stream; going on is harsher
			}
			for _, o := range out {
				judgeOutput(t, o)
				h.nonces = append(h.nonces, o.message.GetNonce())
				h.nonces = h.nonces[max(0, len(h.nonces)-8):]
			}
			judgeSize(t, s)
			s.state()
			s.status()
		}
	})
}

// judgeOutput holds a response against what every client relies on.
func judgeOutput(t *testing.T, o output) {
	t.Helper()
	seen := map[string]bool{}
	names := o.message.GetRemovedResources()
	for _, r := range o.message.GetResources() {
		names = append(names, r.GetName())
	}
	for _, name := range names {
		if seen[name] {
			t.Fatalf("%s %q is twice in one response", o.kind.url(), name)
		}
		seen[name] = true
	}
}

// judgeSize holds what the stream remembers against its bounds.
func judgeSize(t *testing.T, s *stream) {
	t.Helper()
	for k := range kinds {
		sub := &s.types[k]
		const most = fuzzLimit + 10 // and what the snapshots hold
		for what, n := range map[string]int{
			"names": len(sub.names), "held": len(sub.held), "pending": len(sub.pending), "refused": len(sub.refused), "doubt": sub.doubt,
			"has": len(sub.has), "insist": len(sub.insist), "overdue": 2 * len(sub.overdue), "leaving": len(s.leaving) / int(kinds),
			"warm": len(s.warm), "waived": len(s.waived),
		} {
			if n > 2*most || n < 0 {
				t.Fatalf("%s: %s are %d", k.url(), what, n)
			}
		}
		if got := fmt.Sprint(sub.doubt); got != fmt.Sprint(count(sub.held, uncertain)) {
			t.Fatalf("%s: %s are counted in doubt, and %d are", k.url(), got, count(sub.held, uncertain))
		}
	}
}

func count(held map[string]string, version string) int {
	n := 0
	for _, v := range held {
		if v == version {
			n++
		}
	}
	return n
}
