// Package compare tells what is different between two configurations: in their documents, in what Envoys get of them, and in the calls
// that these make. In: what was loaded and compiled. Out: the lines of a plan. It is pure.
package compare

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds"
	"github.com/gatehouse/gatehouse/xds/cache"
)

// digests are the versions of a configuration's resources, by fleet, type and name.
type digests map[string]map[string]map[string]string

// digestMax bounds what is kept of an entry's resources, in bytes.
const digestMax = 4 << 20

// compared reports whether resources of a type depend on the documents alone: endpoints and secrets are observed, and the
// verification of tokens remembers what routes needed a while ago.
func compared(typeURL string) bool {
	return typeURL != cache.TypeEndpoints && typeURL != cache.TypeSecret && typeURL != cache.TypeExtension
}

// digestsOf returns the versions of the resources of a table.
func digestsOf(t *xds.Table) digests {
	all := digests{}
	for fleet := range t.Fleets {
		all[fleet] = map[string]map[string]string{}
		for _, typeURL := range cache.Types() {
			if s := t.Snapshot(fleet); s != nil && compared(typeURL) {
				versions := map[string]string{}
				for _, r := range s.Resources(typeURL) {
					versions[r.Name] = r.Version
				}
				all[fleet][cache.ShortType(typeURL)] = versions
			}
		}
	}
	return all
}

// Digest returns the versions of all resources of a table as they are kept with an entry of the history; nil where they are too large.
func Digest(t *xds.Table) []byte {
	text, err := json.Marshal(digestsOf(t))
	if err != nil || len(text) > digestMax { // Strings always marshal.
		return nil
	}
	return text
}

// Upgrade returns what a table has otherwise than one of which only the Digest is known.
func Upgrade(digest []byte, after *xds.Table) ([]admin.FleetChange, error) {
	before := digests{}
	if err := json.Unmarshal(digest, &before); err != nil {
		return nil, fmt.Errorf("read the versions of resources: %w", err)
	}
	now := digestsOf(after)
	var out []admin.FleetChange
	for _, fleet := range names(before, now) {
		change := admin.FleetChange{Fleet: fleet, Resources: []admin.ResourceChange{}}
		for _, kind := range names(before[fleet], now[fleet]) {
			old, fresh := before[fleet][kind], now[fleet][kind]
			for _, name := range names(old, fresh) {
				if what, differs := between(old[name], fresh[name]); differs {
					change.Resources = append(change.Resources, admin.ResourceChange{Kind: what, Type: kind, Name: name})
				}
			}
		}
		if len(change.Resources) > 0 {
			out = append(out, change)
		}
	}
	return out, nil
}

// between tells what becomes of a resource by its versions before and after, "" for none.
func between(before, after string) (what gateway.ChangeKind, differs bool) {
	switch {
	case before == after:
		return "", false
	case before == "":
		return gateway.Added, true
	case after == "":
		return gateway.Deleted, true
	}
	return gateway.Changed, true
}

// names returns the keys of two maps, sorted.
func names[T any](a, b map[string]T) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(all)
	return slices.Compact(all)
}

// Fleets returns what the Envoys of each fleet get otherwise by one table than by another, nil for none. text: with the
// resources as YAML, secrets apart.
func Fleets(before, after *xds.Table, text bool) []admin.FleetChange {
	out := []admin.FleetChange{}
	for _, fleet := range names(fleetsOf(before), fleetsOf(after)) {
		change := admin.FleetChange{Fleet: fleet, Resources: []admin.ResourceChange{}}
		old, fresh := snapshotIn(before, fleet), snapshotIn(after, fleet)
		for _, typeURL := range cache.Types() {
			change.Resources = append(change.Resources, resourceChanges(typeURL, resourcesIn(old, typeURL), resourcesIn(fresh, typeURL), text)...)
		}
		for _, r := range change.Resources {
			change.Bytes += r.Bytes
		}
		if len(change.Resources) > 0 {
			out = append(out, change)
		}
	}
	return out
}

func resourceChanges(typeURL string, before, after map[string]*cache.Resource, text bool) []admin.ResourceChange {
	var out []admin.ResourceChange
	for _, name := range names(before, after) {
		old, fresh := before[name], after[name]
		what, differs := between(versionOf(old), versionOf(fresh))
		if !differs {
			continue
		}
		change := admin.ResourceChange{Kind: what, Type: cache.ShortType(typeURL), Name: name}
		if fresh != nil {
			change.Bytes = len(fresh.Body().GetValue())
		}
		if text && typeURL != cache.TypeSecret {
			change.Before, change.After = yamlOf(old), yamlOf(fresh)
		}
		out = append(out, change)
	}
	return out
}

func versionOf(r *cache.Resource) string {
	if r == nil {
		return ""
	}
	return r.Version
}

// yamlOf returns a resource for people.
func yamlOf(r *cache.Resource) string {
	if r == nil {
		return ""
	}
	m, err := r.Body().UnmarshalNew()
	if err != nil {
		return ""
	}
	text, err := envoy.RenderYAML(m)
	if err != nil { // It was made from such a message.
		return ""
	}
	return string(text)
}

func fleetsOf(t *xds.Table) map[string]bool {
	all := map[string]bool{}
	if t != nil {
		for fleet := range t.Fleets {
			all[fleet] = true
		}
	}
	return all
}

func snapshotIn(t *xds.Table, fleet string) *cache.Snapshot {
	if t == nil {
		return nil
	}
	return t.Snapshot(fleet)
}

func resourcesIn(s *cache.Snapshot, typeURL string) map[string]*cache.Resource {
	all := map[string]*cache.Resource{}
	if s != nil {
		for _, r := range s.Resources(typeURL) {
			all[r.Name] = r
		}
	}
	return all
}
