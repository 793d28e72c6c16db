package gateway

import (
	"fmt"
	"slices"
)

// Versioning says how requests for one version of an API are told from those for another.
type Versioning struct {
	// Header by which clients say the version, in lower case; empty where base or hosts tell it.
	Header string `json:"VersionHeader,omitempty"`
	// ByHost says that the hosts tell the version, so that no other version of the API may have any of them.
	ByHost bool `json:"VersionByHost,omitempty"`
	// Default says that requests without the header are meant for this version.
	Default bool `json:"VersionDefault,omitempty"`
}

// condition returns what a request for a version must have; ok is false where nothing is asked.
func (v Versioning) condition(version string) (c Condition, ok bool) {
	switch {
	case v.Header == "":
		return Condition{}, false
	case v.Default:
		return Condition{Name: v.Header, Value: version, How: ByDefault}, true
	}
	return Condition{Name: v.Header, Value: version}, true
}

// versioned adds to a route what tells its version. A route that asks for the same header itself is a fault.
func (a *assembler) versioned(api *API, r *Route, e Exposure, place string) {
	c, ok := e.condition(api.Version)
	if !ok {
		return
	}
	if slices.ContainsFunc(r.Match.Headers, func(own Condition) bool { return own.Name == c.Name }) {
		a.apiFault(api, CodeVersion, place+".version-header",
			"the header %s tells the version, and %s has a condition on it: choose another version-header, or remove the condition", c.Name, r.Name)
		return
	}
	r.Match.Headers = append(slices.Clip(r.Match.Headers), c)
	slices.SortFunc(r.Match.Headers, CompareConditions)
	r.VersionHeader = c.Name
}

// exposed is an exposure of an API, and its place in the document.
type exposed struct {
	api   *API
	e     Exposure
	place string
}

// alike records that two versions cannot be told apart. Both are at fault, as nothing tells which one was meant to have the requests.
func (a *assembler) alike(x, y exposed, field, format string) {
	a.apiFault(x.api, CodeVersion, x.place+"."+field, format, y.api.Ref())
	a.apiFault(y.api, CodeVersion, y.place+"."+field, format, x.api.Ref())
}

// checkVersions finds versions of one API that requests cannot tell apart: two that are the default, and hosts that two have
// where hosts tell the version.
func (a *assembler) checkVersions(apis []*API) {
	seen := map[string][]exposed{}
	for _, api := range apis {
		if api.Faulty || api.Version == "" {
			continue
		}
		for i, e := range api.Expose {
			now := exposed{api: api, e: e, place: fmt.Sprintf("expose[%d]", i)}
			key := api.Name + "\x00" + e.Gateway + "\x00" + e.Base
			for _, other := range seen[key] {
				if other.api == api || !a.meet(other.e, e) {
					continue
				}
				switch {
				case e.Default && other.e.Default && e.Header == other.e.Header:
					a.alike(now, other, "default", "%s is the default too: a request without the header "+e.Header+" can mean one version only")
				case e.ByHost || other.e.ByHost:
					a.alike(now, other, "hosts", "%s is on the same host, which is to tell the version: give each version its own")
				}
			}
			seen[key] = append(seen[key], now)
		}
	}
}

// meet reports whether two exposures at one Gateway share a host.
func (a *assembler) meet(x, y Exposure) bool {
	hosts := func(e Exposure) []string {
		if g, ok := a.names.gateways[e.Gateway]; ok && len(e.Hosts) == 0 {
			return g.exposedHosts(e)
		}
		return e.Hosts
	}
	for _, h := range hosts(x) {
		for _, other := range hosts(y) {
			if _, ok := HostIntersect(h, other); ok {
				return true
			}
		}
	}
	return false
}
