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
		if m.answerAll() {
			continue
		}
		waiting := m.stream.Waiting()
		switch {
		case waiting[graced] != 0:
			m.expire(graced)
		case m.allOpen() && !m.disturbed && waiting != [waits]uint64{}:
			m.t.Fatalf("all is read and answered, and it waits for %v", waiting)
		case waiting[made] != 0:
			m.expire(made)
		case waiting[routed] != 0:
			m.expire(routed)
		case waiting[warmed] != 0:
			m.expire(warmed)
		default:
			m.compare()
			return
		}
	}
}

// answerAll answers all that was read, and tells whether there was anything.
func (m *model) answerAll() bool {
	any := false
	for k := range kinds {
		for len(m.acks[k]) > 0 {
			any = true
			m.answer(k)
		}
	}
	return any
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
			if wanted && m.res[k][name] != r.Version && !m.held(k, name, r.Version) && !m.moved(k, r.Version) {
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
	return slices.ContainsFunc(m.groups, func(g *rejected) bool {
		old, ok := g.sent[name]
		return g.kind == k && ok && old == version && !g.cleared[name] && (m.guilty == nil || m.guilty(k, name, m.texts[version]))
	})
}

// moved tells whether a virtual host may be kept back because it goes to a cluster that was refused.
func (m *model) moved(k kind, version string) bool {
	return k == virtualHosts && slices.ContainsFunc(strings.Split(m.texts[version], "-")[1:], func(cluster string) bool {
		r := m.shot.get(clusters, cluster)
		return r != nil && m.held(clusters, cluster, r.Version)
	})
}

func TestStreamAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { play(t, newModel(t), false) })
}

func TestStreamAgainstRefusingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { play(t, newModel(t), true) })
}

// What is wrong is refused whenever it is sent, as a real client does; everything else must arrive.
func TestStreamAgainstJustModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		bad := map[string]bool{}
		for _, short := range shorts() {
			for _, content := range []string{"1", "2", "3"} {
				bad[short+content] = rapid.IntRange(0, 3).Draw(t, "bad "+short+content) == 0
			}
		}
		m.guilty = func(k kind, _, content string) bool { return content != "" && bad[shorts()[k]+content[:1]] }
		play(t, m, false)
	})
}

// play lets a random client and random snapshots meet. Where it may refuse at random, it may also let waits expire.
func play(t *rapid.T, m *model, refusing bool) {
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
		"grace": func(*rapid.T) {
			if m.stream.Waiting()[graced] != 0 {
				m.expire(graced)
			}
		},
		"retry": func(*rapid.T) {
			m.groups = nil // all is to be tried once more
			m.take(m.stream.Retry())
		},
		"settle": func(*rapid.T) { m.settle() },
	}
	if refusing {
		actions["refuse"] = func(t *rapid.T) {
			m.read(true, func(name string) bool {
				return rapid.Bool().Draw(t, "apply "+name)
			})
		}
		actions["expire"] = func(t *rapid.T) {
			w := wait(rapid.IntRange(0, int(waits)-1).Draw(t, "wait"))
			if m.stream.Waiting()[w] != 0 {
				m.expire(w)
			}
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
