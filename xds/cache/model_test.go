package cache

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"pgregory.net/rapid"
)

// model is a naive client that behaves as Envoy was seen to: it applies what it is sent at once, acknowledges later, drops
// the virtual hosts of a route configuration that it drops, and throws away those whose route configuration it lacks. It
// judges the stream by what it sees.
type model struct {
	t      *rapid.T
	stream *stream
	target map[string]string // KIND:NAME -> content
	shot   *Snapshot
	texts  map[string]string // version -> content

	queue []output          // sent and not read yet, in order
	acks  map[kind]*reading // read and not answered yet
	res   [kinds]map[string]string
	named [kinds]map[string]bool
	open  [kinds]bool

	// What the stream may know: acknowledged contents, and what excuses that one of them is sent again.
	acked   [kinds]map[string]string
	excused [kinds]map[string]bool
	asked   [kinds]map[string]bool
	groups  []*group // of refused contents
	owed    map[string]bool

	disturbed bool // a refusal or an expired wait: the order of delivery is no longer promised
	refused   bool
}

type reading struct {
	nonce  string
	sent   map[string]string // name -> version, "" for a removal
	refuse bool
}

// group is what is left of a refused response that must not be sent again.
type group struct {
	kind kind
	sent map[string]string
}

func newModel(t *rapid.T) *model {
	m := &model{t: t, target: map[string]string{}, texts: map[string]string{}}
	for k := range kinds {
		m.res[k], m.named[k] = map[string]string{}, map[string]bool{}
	}
	m.connect()
	return m
}

// connect begins a stream; nothing of the former one but the resources is left.
func (m *model) connect() {
	m.stream, m.queue, m.acks, m.groups = newStream(1000), nil, map[kind]*reading{}, nil
	m.owed, m.refused = map[string]bool{}, false
	m.open = [kinds]bool{}
	for k := range kinds {
		m.acked[k], m.excused[k], m.asked[k] = maps.Clone(m.res[k]), map[string]bool{}, map[string]bool{}
	}
	if m.shot != nil {
		m.take(m.stream.Use(m.shot))
	}
}

// openKind sends the first request of a type, with what is still there from an earlier stream.
func (m *model) openKind(k kind) {
	m.open[k] = true
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), InitialResourceVersions: maps.Clone(m.res[k])}
	if !k.wildcard() {
		req.ResourceNamesSubscribe = slices.Sorted(maps.Keys(m.named[k]))
		for _, name := range req.ResourceNamesSubscribe {
			if m.res[k][name] == "" {
				m.excuse(k, name)
			}
		}
	}
	m.send(req)
}

// excuse notes that a name is asked for, so that its next sending needs no change.
func (m *model) excuse(k kind, name string) {
	m.excused[k][name], m.asked[k][name] = true, true
}

func (m *model) send(req *discoveryv3.DeltaDiscoveryRequest) {
	k, _ := kindOf(req.GetTypeUrl())
	m.t.Logf("-> %s +%v -%v =%v nonce %s, refused %t", shorts()[k], req.GetResourceNamesSubscribe(), req.GetResourceNamesUnsubscribe(),
		req.GetInitialResourceVersions(), req.GetResponseNonce(), req.GetErrorDetail() != nil)
	out, _, err := m.stream.Request(req)
	if err != nil {
		m.t.Fatalf("request %v: %v", req, err)
	}
	m.take(out)
}

// take queues responses, after judging them.
func (m *model) take(out []output) {
	for _, o := range out {
		m.t.Logf("<- %s %v", shorts()[o.kind], o.message)
		for _, queued := range m.queue {
			if queued.kind == o.kind {
				m.t.Fatalf("two responses of %s are on their way", o.kind.url())
			}
		}
		if m.acks[o.kind] != nil {
			m.t.Fatalf("a response of %s is sent before the one before is answered", o.kind.url())
		}
		seen := map[string]bool{}
		for _, r := range o.message.GetResources() {
			m.judgePut(o.kind, r.GetName(), r.GetVersion())
			seen[r.GetName()] = true
		}
		for _, name := range o.message.GetRemovedResources() {
			if seen[name] {
				m.t.Fatalf("%s %q is sent and removed in one response", o.kind.url(), name)
			}
			m.judgeRefused(o.kind, name, "")
			delete(m.excused[o.kind], name)
		}
		m.queue = append(m.queue, o)
	}
}

// judgePut holds one resource of a response against the rules.
func (m *model) judgePut(k kind, name, version string) {
	if m.shot.get(k, name) == nil || m.shot.get(k, name).Version != version {
		m.t.Fatalf("%s %q is sent in a version that is not wanted", k.url(), name)
	}
	if m.acked[k][name] == version && !m.excused[k][name] {
		m.t.Fatalf("%s %q is sent again, unchanged", k.url(), name)
	}
	if k == routeConfigs && (m.excused[k][name] || m.acked[k][name] == "") {
		for _, host := range m.shot.hosts[name] {
			m.excused[virtualHosts][host] = true
		}
	}
	if k == clusters {
		m.excused[endpoints][name] = true
	}
	m.judgeRefused(k, name, version)
	delete(m.excused[k], name)
}

func (m *model) judgeRefused(k kind, name, version string) {
	asked := m.asked[k][name]
	delete(m.asked[k], name)
	if asked {
		return // the protocol demands an answer
	}
	for _, g := range m.groups {
		if old, ok := g.sent[name]; g.kind == k && ok && old == version {
			m.t.Fatalf("%s %q is sent again as it was refused", k.url(), name)
		}
	}
}

// read applies the next response, and leaves its answer for later. Of a refused one it applies what part says.
func (m *model) read(refuse bool, part func(name string) bool) {
	if len(m.queue) == 0 {
		return
	}
	o := m.queue[0]
	m.queue = m.queue[1:]
	r := &reading{nonce: o.message.GetNonce(), sent: map[string]string{}, refuse: refuse}
	for _, x := range o.message.GetResources() {
		r.sent[x.GetName()] = x.GetVersion()
	}
	for _, name := range o.message.GetRemovedResources() {
		r.sent[name] = ""
	}
	m.acks[o.kind] = r
	m.disturbed = m.disturbed || refuse
	m.refused = m.refused || refuse
	for _, name := range slices.Sorted(maps.Keys(r.sent)) {
		if (o.kind.wildcard() || m.named[o.kind][name]) && (!refuse || part(name)) {
			m.apply(o.kind, name, r.sent[name])
		}
	}
	m.checkReferences()
	if o.kind == clusters {
		m.followClusters()
	}
}

// answer accepts or refuses what was read.
func (m *model) answer(k kind) {
	r := m.acks[k]
	if r == nil {
		return
	}
	delete(m.acks, k)
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), ResponseNonce: r.nonce}
	if r.refuse {
		req.ErrorDetail = &rpcstatus.Status{Code: 13, Message: "no"}
		m.groups = append(m.groups, &group{kind: k, sent: maps.Clone(r.sent)})
	}
	for name, version := range r.sent {
		switch {
		case r.refuse:
			delete(m.acked[k], name)
		case k.wildcard() || m.named[k][name]:
			m.acked[k][name] = version
		}
	}
	if !r.refuse {
		m.release(r, k)
	}
	m.send(req)
}

// release lets the innocent of a refused response go when another content of others of them is accepted.
func (m *model) release(r *reading, k kind) {
	for _, g := range m.groups {
		changed := map[string]string{}
		for name, old := range g.sent {
			switch version, ok := r.sent[name]; {
			case g.kind != k || !ok:
			case old == version:
				delete(g.sent, name)
			default:
				changed[name] = old
			}
		}
		if len(changed) > 0 {
			g.sent = changed
		}
	}
}

// apply makes a content the client's own.
func (m *model) apply(k kind, name, version string) {
	if k == virtualHosts && m.res[routeConfigs][routeConfigOf(name)] == "" && version != "" {
		return // thrown away
	}
	delete(m.owed, shorts()[k]+":"+name)
	if version == "" {
		delete(m.res[k], name)
		return
	}
	m.res[k][name] = version
	if k == clusters && m.named[endpoints][name] {
		m.owed["eds:"+name] = true
	}
}

// followClusters subscribes to the endpoints of clusters that came and unsubscribes from those that went.
func (m *model) followClusters() {
	if !m.open[endpoints] {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.res[clusters])) {
		if !m.named[endpoints][name] {
			m.subscribe(endpoints, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.named[endpoints])) {
		if m.res[clusters][name] == "" {
			m.unsubscribe(endpoints, name)
		}
	}
}

func (m *model) subscribe(k kind, name string) {
	m.named[k][name] = true
	m.excuse(k, name)
	if m.open[k] {
		m.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), ResourceNamesSubscribe: []string{name}})
	}
}

func (m *model) unsubscribe(k kind, name string) {
	delete(m.named[k], name)
	delete(m.res[k], name)
	delete(m.acked[k], name)
	delete(m.owed, shorts()[k]+":"+name)
	for _, g := range m.groups {
		if g.kind == k {
			delete(g.sent, name)
		}
	}
	if k == routeConfigs {
		maps.DeleteFunc(m.res[virtualHosts], func(host, _ string) bool { return routeConfigOf(host) == name })
	}
	if m.open[k] {
		m.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), ResourceNamesUnsubscribe: []string{name}})
	}
}

// checkReferences holds make before break: a virtual host's clusters, spelt in its content, are there as long as it is.
func (m *model) checkReferences() {
	if m.disturbed {
		return
	}
	for host, version := range m.res[virtualHosts] {
		for _, cluster := range strings.Split(m.texts[version], "-")[1:] {
			if m.res[clusters][cluster] == "" {
				m.t.Fatalf("virtual host %q refers to cluster %q, which the client does not have", host, cluster)
			}
		}
	}
}

// use gives the stream what the model's target says.
func (m *model) use() {
	var items []Item
	for key, content := range m.target {
		short, name, _ := strings.Cut(key, ":")
		items = append(items, Item{Message: message(kindNamed(m.t, short), name, content)})
	}
	next, err := NewSnapshot("edge", fmt.Sprint(len(m.texts)), items)
	if err != nil {
		m.t.Fatal(err)
	}
	m.shot = next
	for key, content := range m.target {
		short, name, _ := strings.Cut(key, ":")
		m.texts[next.get(kindNamed(m.t, short), name).Version] = content
	}
	m.take(m.stream.Use(next))
}
