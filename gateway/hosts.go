package gateway

import (
	"cmp"
	"slices"
	"strings"
)

// AnyHost is the host pattern that every host matches.
const AnyHost = "*"

// HostCovers reports whether every host that b matches is matched by a. Patterns are exact names, "*.suffix" or "*".
func HostCovers(a, b string) bool {
	if a == AnyHost || a == b {
		return true
	}
	suffix, wild := strings.CutPrefix(a, "*")
	return wild && strings.HasSuffix(b, suffix) && len(b) > len(suffix)
}

// HostIntersect returns the pattern that matches what both match: the narrower one, or false where there is none.
func HostIntersect(a, b string) (string, bool) {
	switch {
	case HostCovers(a, b):
		return b, true
	case HostCovers(b, a):
		return a, true
	}
	return "", false
}

// CompareHosts orders host patterns as they take precedence: exact names, then wildcards by falling length, "*" last.
func CompareHosts(a, b string) int {
	return cmp.Or(
		cmp.Compare(hostRank(a), hostRank(b)),
		cmp.Compare(len(b), len(a)),
		cmp.Compare(a, b),
	)
}

func hostRank(h string) int {
	switch {
	case h == AnyHost:
		return 2
	case strings.HasPrefix(h, "*"):
		return 1
	}
	return 0
}

// ServedHosts returns what of a host pattern the listener serves.
func (l Listener) ServedHosts(host string) []string {
	var served []string
	for _, own := range l.Hosts {
		if h, ok := HostIntersect(own, host); ok {
			served = append(served, h)
		}
	}
	slices.SortFunc(served, CompareHosts)
	return slices.Compact(served)
}

// Serves reports whether the listener answers for every host of a pattern.
func (l Listener) Serves(host string) bool {
	return slices.ContainsFunc(l.Hosts, func(own string) bool { return HostCovers(own, host) })
}
