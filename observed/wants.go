package observed

import (
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// wanted returns the Upstreams of a revision, and the Issuers whose keys are watched, by name. What a held API refers to
// counts where the revision itself has nothing of that name.
func wanted(rev *gateway.Revision) (map[string]*gateway.Upstream, map[string]*gateway.Issuer) {
	upstreams, issuers := map[string]*gateway.Upstream{}, map[string]*gateway.Issuer{}
	issuer := func(i *gateway.Issuer) {
		if _, known := issuers[i.Name]; !known && i.Watched() {
			issuers[i.Name] = i
		}
	}
	for _, u := range rev.Upstreams {
		upstreams[u.Name] = u
	}
	for _, i := range rev.Issuers {
		issuer(i)
	}
	for _, r := range rev.Routes {
		for _, u := range r.Upstreams() {
			if upstreams[u.Name] == nil {
				upstreams[u.Name] = u
			}
		}
		for _, of := range r.Issuers(gateway.ByJWT) {
			if !slices.ContainsFunc(rev.Issuers, func(i *gateway.Issuer) bool { return i.Name == of.Name }) {
				issuer(of)
			}
		}
	}
	return upstreams, issuers
}
