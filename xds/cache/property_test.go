package cache

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// settle reads and accepts until nothing happens any more, and compares the client with the snapshot.
func (m *model) settle() {
	for round := 0; ; round++ {
		if round > 200 {
			m.t.Fatal("it never ends")
		}
		for len(m.queue) > 0 {
			m.read(false, nil)
		}
		if len(m.acks) > 0 {
			for k := range kinds {
				m.answer(k)
			}
			continue
		}
		if m.stream.Waiting() == 0 || !m.disturbed && m.allOpen() {
			break
		}
		m.disturbed = true
		m.take(m.stream.Expire(m.stream.Waiting()))
		if len(m.queue) == 0 && m.stream.Waiting() != 0 {
			break
		}
	}
	m.compare()
}

func (m *model) allOpen() bool { return !slices.Contains(m.open[:], false) }

// compare holds the quiet client against the snapshot.
func (m *model) compare() {
	if m.shot == nil {
		return
	}
	for k := range kinds {
		if !m.open[k] {
			continue
		}
		for name, r := range m.shot.sets[k].byName {
			wanted := m.named[k][name]
			if k.wildcard() {
				wanted = k != virtualHosts || m.open[routeConfigs] && m.res[routeConfigs][routeConfigOf(name)] != ""
			}
			if wanted && m.res[k][name] != r.Version && !m.held(k, name, r.Version) {
				m.t.Fatalf("quiet, and %s %q is at %q, want %q", k.url(), name, m.res[k][name], r.Version)
			}
		}
		for name := range m.res[k] {
			if m.shot.get(k, name) == nil && !m.refused && m.allOpen() {
				m.t.Fatalf("quiet, and %s %q is still there", k.url(), name)
			}
		}
	}
	for key := range m.owed {
		name := strings.TrimPrefix(key, "eds:")
		if r := m.shot.get(endpoints, name); m.open[endpoints] && r != nil && !m.held(endpoints, name, r.Version) {
			m.t.Fatalf("cluster %q changed, and its endpoints did not follow", name)
		}
	}
	if state := m.stream.state(); m.allOpen() && !m.refused && state != StateSynced {
		m.t.Fatalf("quiet, and the state is %s", state)
	}
}

// held tells whether a content is kept back because it was refused.
func (m *model) held(k kind, name, version string) bool {
	return slices.ContainsFunc(m.groups, func(g *group) bool {
		old, ok := g.sent[name]
		return g.kind == k && ok && old == version
	})
}

func TestStreamAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { play(t, false) })
}

func TestStreamAgainstRefusingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { play(t, true) })
}

// play lets a random client and random snapshots meet. Where it may refuse, it may also let waits expire.
func play(t *rapid.T, refusing bool) {
	m := newModel(t)
	letters := []string{"a", "b", "c"}
	letter := func(label string) string { return rapid.SampledFrom(letters).Draw(t, label) }
	actions := map[string]func(*rapid.T){
		"snapshot": func(t *rapid.T) {
			m.target = drawTarget(t)
			m.use()
		},
		"open": func(t *rapid.T) {
			for k := range kinds { // clusters first, as Envoy does
				if !m.open[k] {
					m.openKind(k)
					return
				}
			}
		},
		"read": func(*rapid.T) { m.read(false, nil) },
		"answer": func(t *rapid.T) {
			m.answer(kind(rapid.IntRange(0, int(kinds)-1).Draw(t, "kind")))
		},
		"subscribe": func(t *rapid.T) {
			k := rapid.SampledFrom([]kind{secrets, extensions, routeConfigs}).Draw(t, "kind")
			m.subscribe(k, letter("name"))
		},
		"unsubscribe": func(t *rapid.T) {
			k := rapid.SampledFrom([]kind{secrets, extensions, routeConfigs}).Draw(t, "kind")
			if name := letter("name"); m.named[k][name] {
				m.unsubscribe(k, name)
			}
		},
		"reconnect": func(t *rapid.T) {
			opened := m.open
			m.connect()
			rest := []kind{endpoints, secrets, extensions, listeners, routeConfigs, virtualHosts}
			for _, k := range append([]kind{clusters}, rapid.Permutation(rest).Draw(t, "order")...) {
				if opened[k] {
					m.openKind(k)
				}
			}
		},
		"settle": func(*rapid.T) { m.settle() },
	}
	if refusing {
		actions["refuse"] = func(t *rapid.T) {
			m.read(true, func(name string) bool {
				return rapid.Bool().Draw(t, "apply "+name)
			})
		}
		actions["expire"] = func(*rapid.T) {
			m.disturbed = true
			m.take(m.stream.Expire(m.stream.Waiting()))
		}
	}
	t.Repeat(actions)
	m.settle()
}

// drawTarget draws a snapshot whose virtual hosts refer only to clusters that are in it.
func drawTarget(t *rapid.T) map[string]string {
	target := map[string]string{}
	var names []string
	for _, name := range []string{"a", "b", "c"} {
		content := func(short string) string {
			return rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(t, short+name)
		}
		for _, short := range []string{"cluster", "secret", "ecds", "listener", "rds"} {
			if c := content(short); c != "" {
				target[short+":"+name] = c
			}
		}
		if target["cluster:"+name] != "" {
			names = append(names, name)
			target["eds:"+name] = rapid.SampledFrom([]string{"1", "2"}).Draw(t, "eds"+name)
		}
	}
	for _, config := range []string{"a", "b"} {
		for _, host := range []string{"x", "y"} {
			content := rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "vhost")
			if content == "" || target["rds:"+config] == "" {
				continue
			}
			for _, name := range names {
				if rapid.Bool().Draw(t, "refers") {
					content += "-" + name
				}
			}
			target["vhost:"+config+"/"+host] = content
		}
	}
	return target
}
