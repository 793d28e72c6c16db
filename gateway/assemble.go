package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/internal/suggest"
)

// Assemble resolves every name of the documents, turns each operation into a Route at each exposure, and checks what only
// shows when all documents are seen together. It reports every fault it finds; the Revision is to be used only if there are
// none. Documents marked Faulty are passed over, as their faults are known.
//
// Which policies Envoy decides by itself, reduce says; where it is nil, none.
func Assemble(docs *Documents, reduce Reduce) (*Revision, Faults) {
	return AssembleAfter(docs, nil, reduce)
}

// AssembleAfter is Assemble for documents of which most may be those of prev, the same values in memory: what they became
// then, they become again. prev may be nil.
func AssembleAfter(docs *Documents, prev *Revision, reduce Reduce) (*Revision, Faults) {
	a := &assembler{docs: docs, reduce: reduce, hash: newHasher(), parts: map[*API]*part{}, around: map[*Gateway]around{}}
	if prev != nil {
		a.before, a.importedBefore = prev.parts, prev.imported
	}
	rev := &Revision{
		ID:       contentID(docs.Files),
		Gateways: sorted(docs.Gateways, func(g *Gateway) string { return g.Name }),
		Issuers:  sorted(docs.Issuers, func(i *Issuer) string { return i.Name }),
		Policies: sorted(docs.Policies, func(p *Policy) string { return p.Name }),
		Bundles:  sorted(docs.Bundles, func(b *Bundle) string { return b.Name }),
		Limits:   sorted(docs.Limits, func(l *SharedLimit) string { return l.Name }),
		APIs:     sorted(docs.APIs, func(api *API) string { return string(api.Kind) + "/" + api.Name + "/" + api.Version }),
		Certificates: sorted(docs.Certificates, func(c *Certificate) string {
			return c.Name
		}),
		Upstreams: sorted(docs.Upstreams, func(u *Upstream) string {
			return u.Name
		}),
	}
	rev.Policies, rev.imported = a.importedPolicies(rev.Policies)
	a.names = index(rev.Gateways, rev.Upstreams, rev.Issuers, slices.Concat(docs.Library, rev.Policies), rev.Limits)
	a.checkListeners(rev.Gateways)
	a.checkRollouts(rev.Gateways)
	a.checkAllow(rev.Gateways)
	a.checkDecisionLogs(rev.Gateways)
	a.checkTracing(rev.Gateways)
	for _, g := range rev.Gateways {
		a.platform(g)
	}
	a.checkIssuers(rev.Issuers)
	a.checkTLS(rev)
	a.checkVersions(rev.APIs)
	var parts []*part
	for _, api := range rev.APIs {
		if !api.Faulty {
			parts = append(parts, a.part(api))
		}
	}
	rev.Routes = a.distinct(parts)
	rev.parts = a.parts
	return rev, a.faults.Sort()
}

// assembler carries what one Assemble needs: the names, and the faults found so far.
type assembler struct {
	docs   *Documents
	names  objects
	hash   *hasher
	reduce Reduce
	faults Faults

	before         map[*API]*part // What APIs became the time before.
	importedBefore map[*Policy]*importing
	parts          map[*API]*part // What they become now, of those without faults.
	named          []reference    // What the API at hand has referred to so far.
	around         map[*Gateway]around
}

// objects finds objects by their names.
type objects struct {
	gateways  map[string]*Gateway
	upstreams map[string]*Upstream
	issuers   map[string]*Issuer
	policies  map[string]*Policy
	limits    map[string]*SharedLimit
}

func index(gateways []*Gateway, upstreams []*Upstream, issuers []*Issuer, policies []*Policy, limits []*SharedLimit) objects {
	return objects{
		gateways:  byName(gateways, func(g *Gateway) string { return g.Name }),
		upstreams: byName(upstreams, func(u *Upstream) string { return u.Name }),
		issuers:   byName(issuers, func(i *Issuer) string { return i.Name }),
		policies:  byName(policies, func(p *Policy) string { return p.Name }),
		limits:    byName(limits, func(l *SharedLimit) string { return l.Name }),
	}
}

func sortedNames[T any](m map[string]*T) []string { return slices.Sorted(maps.Keys(m)) }

func byName[T any](list []*T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(list))
	for _, v := range list {
		m[name(v)] = v
	}
	return m
}

func sorted[T any](list []*T, key func(*T) string) []*T {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *T) int { return cmp.Compare(key(a), key(b)) })
	return list
}

// contentID hashes files by path and content.
func contentID(files map[string][]byte) string {
	all := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[path])
		fmt.Fprintf(all, "%d:%s:%x\n", len(path), path, sum)
	}
	return hex.EncodeToString(all.Sum(nil)[:hashLength])
}

// fault records a fault of an object's field.
func (a *assembler) fault(code Code, object Ref, origin Origin, field, format string, args ...any) {
	a.faults = append(a.faults, Fault{
		Code: code, Place: origin.At(field), Field: field, Object: object, Message: fmt.Sprintf(format, args...),
	})
}

func (a *assembler) apiFault(api *API, code Code, field, format string, args ...any) {
	a.faults = append(a.faults, Fault{
		Code: code, Place: api.Origin.At(field), Field: field, Object: api.Ref(), Team: api.Team,
		Message: fmt.Sprintf(format, args...),
	})
}

// checkListeners finds listeners of one fleet that ask for the same address and port: an Envoy can bind only one.
func (a *assembler) checkListeners(gateways []*Gateway) {
	type owner struct {
		g     *Gateway
		l     *Listener
		fleet string
	}
	var seen []owner
	for _, g := range gateways {
		for i := range g.Listeners {
			l := &g.Listeners[i]
			for _, o := range seen {
				if o.fleet == g.Fleet && o.l.Port == l.Port && addressesOverlap(o.l.Address, l.Address) {
					a.fault(CodeListenerClash, Ref{Kind: KindGateway, Name: g.Name}, g.Origin, fmt.Sprintf("listeners[%d].port", i),
						"listener %s asks for %s:%d, which listener %s of Gateway %s has already: choose another port",
						l.Name, l.Address, l.Port, o.l.Name, o.g.Name)
					break
				}
			}
			seen = append(seen, owner{g: g, l: l, fleet: g.Fleet})
		}
	}
}

func addressesOverlap(a, b string) bool {
	every := func(s string) bool { return s == "0.0.0.0" || s == "::" }
	return a == b || every(a) || every(b)
}

// checkIssuers finds two issuers that claim the same iss: a token would not tell which one issued it.
func (a *assembler) checkIssuers(issuers []*Issuer) {
	seen := map[string]*Issuer{}
	for _, i := range issuers {
		if first, ok := seen[i.Issuer]; ok {
			a.fault(CodeIssuerClash, Ref{Kind: KindIssuer, Name: i.Name}, i.Origin, "issuer",
				"Issuer %s has the same issuer %q as Issuer %s: keep one of them", i.Name, i.Issuer, first.Name)
			continue
		}
		seen[i.Issuer] = i
	}
}

// lookup finds an object by name, in what a held API meant first, and reports a dangling reference otherwise. Objects left
// out because they are faulty themselves are not reported again. An Issuer that there is now comes before the one that a held
// API meant: a key that was withdrawn must open nothing any more.
func lookup[T any](a *assembler, api *API, kind Kind, known func(objects) map[string]*T, name, field string) (*T, bool) {
	all := known(a.names)
	if v, ok := all[name]; ok && (api.Held == nil || kind == KindIssuer) {
		a.named = append(a.named, reference{kind: kind, name: name, object: v})
		return v, true
	}
	if api.Held != nil {
		if v, ok := known(index(api.Held.Gateways, api.Held.Upstreams, api.Held.Issuers, api.Held.Policies, api.Held.Limits))[name]; ok {
			return v, true
		}
	}
	if v, ok := all[name]; ok {
		return v, true
	}
	if !a.docs.Broken[Ref{Kind: kind, Name: name}] {
		message := fmt.Sprintf("there is no %s named %q", kind, name)
		if near, ok := suggest.Nearest(name, slices.Sorted(maps.Keys(all))); ok {
			message += fmt.Sprintf(": did you mean %q?", near)
		} else {
			message += ": write one, or correct the name"
		}
		a.apiFault(api, CodeDangling, field, "%s", message)
	}
	return nil, false
}
