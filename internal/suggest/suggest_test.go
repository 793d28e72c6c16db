package suggest_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/internal/suggest"
)

func TestNearest(t *testing.T) {
	names := []string{"payments", "accounts", "cards"}
	for _, test := range []struct {
		word, want string
		ok         bool
	}{
		{"paymets", "payments", true},
		{"card", "cards", true},
		{"payments", "payments", false},
		{"mortgages", "", false},
		{"", "", false},
	} {
		got, ok := suggest.Nearest(test.word, names)
		if ok != test.ok || (ok && got != test.want) {
			t.Errorf("Nearest(%q) = %q, %v; want %q, %v", test.word, got, ok, test.want, test.ok)
		}
	}
}
