package authz

import (
	"net/netip"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse/gatehouse/gateway"
)

// What follows translates comparisons of the peer's address, which is a text to a policy and a number to Envoy.

// address holds where the peer's address is one of some texts. Envoy writes an address in one way; a text that is none in that way
// is never equal.
func (t *translator) address(s subject, values []any) gateway.Predicate {
	var networks []any
	for _, v := range values {
		text, _ := v.(string)
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil || a.String() != text:
			continue
		case mixed(a):
			return t.fail("it compares the peer's address with %s, which may be written in several ways", text)
		}
		networks = append(networks, netip.PrefixFrom(a, a.BitLen()).String())
	}
	if len(networks) == 0 {
		return gateway.Predicate{Never: true}
	}
	return t.test(s, gateway.OpWithin, networks...)
}

// mixed reports whether an address of the sixth version holds one of the fourth, or a zone.
func mixed(a netip.Addr) bool {
	bytes := a.As16()
	return a.Zone() != "" || a.Is6() && [10]byte(bytes[:10]) == [10]byte{} && a != netip.IPv6Loopback()
}

// addressText holds where the peer's address begins with one of some texts: whole parts of an address of the fourth version.
func (t *translator) addressText(s subject, op gateway.Op, values []any) gateway.Predicate {
	var networks []any
	for _, v := range values {
		text, _ := v.(string)
		parts := strings.Count(text, ".")
		start, whole := strings.CutSuffix(text, ".")
		network, err := netip.ParseAddr(start + strings.Repeat(".0", max(0, 4-parts)))
		if op != gateway.OpPrefix || !whole || parts == 0 || parts > 3 || err != nil {
			return t.fail("it compares parts of the peer's address")
		}
		networks = append(networks, netip.PrefixFrom(network, 8*parts).String())
	}
	return t.test(s, gateway.OpWithin, networks...)
}

// within holds where the peer's address is in a constant network.
func (t *translator) within(network, what *ast.Term) gateway.Predicate {
	s, why := subjectOf(what)
	if why != "" {
		return t.fail("%s", why)
	}
	text, ok := network.Value.(ast.String)
	if s.of != gateway.OfAddress || !ok {
		return t.fail("it calls %s", ast.NetCIDRContains.Name)
	}
	n, err := netip.ParsePrefix(string(text))
	if err != nil || n.Addr().Is4In6() {
		return t.fail("it looks for the peer's address in %s", text)
	}
	return t.test(s, gateway.OpWithin, n.Masked().String())
}

// marked reports whether a value is a text with an exclamation mark. Envoy puts one for each byte of a header that is no UTF-8, in
// what it asks by, while its own expressions compare the bytes.
func marked(value any) bool {
	text, _ := value.(string)
	return strings.Contains(text, "!")
}
