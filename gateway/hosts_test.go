package gateway_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

func TestHosts(t *testing.T) {
	for _, test := range []struct {
		a, b, both string
	}{
		{"api.bank.test", "api.bank.test", "api.bank.test"},
		{"*.bank.test", "api.bank.test", "api.bank.test"},
		{"api.bank.test", "*.bank.test", "api.bank.test"},
		{"*", "*.bank.test", "*.bank.test"},
		{"*.bank.test", "*.api.bank.test", "*.api.bank.test"},
		{"*.bank.test", "bank.test", ""},
		{"a.test", "b.test", ""},
		{"*.a.test", "*.b.test", ""},
	} {
		got, ok := gateway.HostIntersect(test.a, test.b)
		if ok != (test.both != "") || (ok && got != test.both) {
			t.Errorf("HostIntersect(%q, %q) = %q, %v; want %q", test.a, test.b, got, ok, test.both)
		}
	}
}

func TestCompareHosts(t *testing.T) {
	hosts := []string{"*", "*.test", "*.bank.test", "b.test", "a.bank.test"}
	slices.SortFunc(hosts, gateway.CompareHosts)
	want := []string{"a.bank.test", "b.test", "*.bank.test", "*.test", "*"}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("order of precedence (-want +got):\n%s", diff)
	}
}

func TestServedHosts(t *testing.T) {
	l := gateway.Listener{Hosts: []string{"*.bank.test", "www.shop.test"}}
	for _, test := range []struct {
		host string
		want []string
	}{
		{"api.bank.test", []string{"api.bank.test"}},
		{"*", []string{"www.shop.test", "*.bank.test"}},
		{"*.test", []string{"www.shop.test", "*.bank.test"}},
		{"other.test", nil},
	} {
		if diff := cmp.Diff(test.want, l.ServedHosts(test.host)); diff != "" {
			t.Errorf("ServedHosts(%q) (-want +got):\n%s", test.host, diff)
		}
	}
}

func TestListenerServes(t *testing.T) {
	l := gateway.Listener{Hosts: []string{"*.bank.test", "www.shop.test"}}
	for host, want := range map[string]bool{
		"api.bank.test": true, "*.bank.test": true, "*.api.bank.test": true, "www.shop.test": true,
		"bank.test": false, "*.test": false, "*": false, "shop.test": false,
	} {
		if got := l.Serves(host); got != want {
			t.Errorf("Serves(%q) is %v", host, got)
		}
	}
}
