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

	queue []output            // sent and not read yet, in order
	acks  map[kind][]*reading // read and not answered yet, in order
	res   [kinds]map[string]string
	named [kinds]map[string]bool
	open  [kinds]bool

	// What the stream may know: acknowledged contents, and what excuses that one of them is sent again.
	acked   [kinds]map[string]string
	excused [kinds]map[string]bool
	asked   [kinds]map[string]bool
	groups  []*rejected // of refused contents
	owed    map[string]bool

	used  map[string]uint64 // cluster -> the last wait when a virtual host still referred to it
	grace uint64            // the last grace that is over

	guilty    func(k kind, name, content string) bool // what the client refuses; nil: what the test says
	disturbed bool                                    // a refusal or an expired wait: the order of delivery is no longer promised
	refused   bool
}

type reading struct {
	nonce  string
	sent   map[string]string // name -> version, "" for a removal
	refuse bool
	text   string
}

// rejected is a refused response: all of it together must not be sent again, unless every part was accepted meanwhile.
type rejected struct {
	kind    kind
	sent    map[string]string
	cleared map[string]bool // accepted since
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
	m.stream, m.queue, m.acks, m.groups = newStream(1000), nil, map[kind][]*reading{}, nil
	m.owed, m.refused, m.used, m.grace = map[string]bool{}, false, map[string]uint64{}, 0
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
		m.judgeOutstanding(o.kind)
		m.judgeRefused(o)
		seen := map[string]bool{}
		for _, r := range o.message.GetResources() {
			m.judgePut(o.kind, r.GetName(), r.GetVersion())
			seen[r.GetName()] = true
		}
		for _, name := range o.message.GetRemovedResources() {
			if seen[name] {
				m.t.Fatalf("%s %q is sent and removed in one response", o.kind.url(), name)
			}
			m.judgeRemoval(o.kind, name)
			delete(m.excused[o.kind], name)
			delete(m.asked[o.kind], name)
		}
		m.queue = append(m.queue, o)
	}
	m.noteUse()
}

// judgeOutstanding holds that one response of a type is outstanding; of clusters several may be, once one was waited for in vain.
func (m *model) judgeOutstanding(k kind) {
	outstanding := len(m.acks[k])
	for _, queued := range m.queue {
		if queued.kind == k {
			outstanding++
		}
	}
	if outstanding > 0 && (k != clusters || !m.disturbed) || outstanding > maxOverdue {
		m.t.Fatalf("%d responses of %s are outstanding, and another is sent", outstanding, k.url())
	}
}

// judgeRemoval holds that a cluster stays for a whole grace after the last route to it.
func (m *model) judgeRemoval(k kind, name string) {
	if k == clusters && m.res[k][name] != "" && !m.disturbed && m.grace <= m.used[name] {
		m.t.Fatalf("cluster %q goes before its grace is over", name)
	}
}

// noteUse notes which clusters are in use.
func (m *model) noteUse() {
	for _, version := range m.res[virtualHosts] {
		for _, cluster := range strings.Split(m.texts[version], "-")[1:] {
			m.used[cluster] = m.stream.waitID
		}
	}
}

// expire ends a wait.
func (m *model) expire(w wait) {
	id := m.stream.Waiting()[w]
	if w == graced {
		m.grace = id
	} else {
		m.disturbed = true
	}
	m.t.Logf("wait %d is over", w)
	m.take(m.stream.Expire(id))
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
	delete(m.excused[k], name)
	delete(m.asked[k], name)
}

// judgeRefused holds that what was refused is not sent again, unless the client asks for it, and the protocol demands an answer.
func (m *model) judgeRefused(o output) {
	sent := map[string]string{}
	for _, r := range o.message.GetResources() {
		sent[r.GetName()] = r.GetVersion()
	}
	for _, name := range o.message.GetRemovedResources() {
		sent[name] = ""
	}
	for _, g := range m.groups {
		again := g.kind == o.kind && len(g.cleared) < len(g.sent)
		for name, version := range g.sent {
			now, ok := sent[name]
			again = again && ok && now == version && !m.asked[g.kind][name]
		}
		if again {
			m.t.Fatalf("%s %v is sent again as it was refused", g.kind.url(), g.sent)
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
	if m.guilty != nil {
		refuse, part = m.judgeContents(o.kind, r)
		r.refuse = refuse
	}
	m.acks[o.kind] = append(m.acks[o.kind], r)
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

// judgeContents refuses a response for what is in it, as Envoy does: of clusters and listeners it names the guilty and applies
// the rest, of others it applies nothing.
func (m *model) judgeContents(k kind, r *reading) (bool, func(string) bool) {
	var named []string
	for _, name := range slices.Sorted(maps.Keys(r.sent)) {
		if version := r.sent[name]; version != "" && m.guilty(k, name, m.texts[version]) {
			named = append(named, name+": no")
		}
	}
	r.text = strings.Join(named, ", ")
	switch k {
	case clusters:
		r.text = "Error adding/updating cluster(s) " + r.text
	case listeners:
		r.text = "Error adding/updating listener(s) " + r.text
	default:
		return len(named) > 0, func(string) bool { return false }
	}
	return len(named) > 0, func(name string) bool { return !slices.Contains(named, name+": no") }
}

// answer accepts or refuses what was read first.
func (m *model) answer(k kind) {
	if len(m.acks[k]) == 0 {
		return
	}
	r := m.acks[k][0]
	m.acks[k] = m.acks[k][1:]
	req := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.url(), ResponseNonce: r.nonce}
	if r.refuse {
		req.ErrorDetail = &rpcstatus.Status{Code: 13, Message: r.text}
		for name, version := range r.sent {
			if m.guilty != nil && version != "" && k.greeted() && m.guilty(k, name, m.texts[version]) { // it was named
				m.groups = append(m.groups, &rejected{kind: k, sent: map[string]string{name: version}, cleared: map[string]bool{}})
			}
		}
		if m.current(k, r.sent) { // of others nothing is known any more
			m.groups = append(m.groups, &rejected{kind: k, sent: maps.Clone(r.sent), cleared: map[string]bool{}})
		}
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
		m.clear(r, k)
	}
	m.send(req)
}

// current tells whether contents are what the client wants and, if they are several, should have.
func (m *model) current(k kind, sent map[string]string) bool {
	for name, version := range sent {
		if len(sent) > 1 && versionOf(m.shot.get(k, name)) != version || !k.wildcard() && !m.named[k][name] {
			return false
		}
	}
	return true
}

// clear notes that contents of refused responses were accepted after all.
func (m *model) clear(r *reading, k kind) {
	for _, g := range m.groups {
		for name, old := range g.sent {
			if version, ok := r.sent[name]; ok && g.kind == k && old == version {
				g.cleared[name] = true
			}
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
	m.groups = slices.DeleteFunc(m.groups, func(g *rejected) bool {
		_, ok := g.sent[name]
		return g.kind == k && ok
	})
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
	// Of what changes before the guilty part is found, nothing is known any more.
	m.groups = slices.DeleteFunc(m.groups, func(g *rejected) bool { return len(g.sent) > 1 && !m.current(g.kind, g.sent) })
	m.take(m.stream.Use(next))
}
