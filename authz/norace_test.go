//go:build !race

package authz_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
)

// raced says that the race detector runs, under which times mean nothing.
const raced = false

// TestPolicyThatCannotBeStopped holds that a policy whose evaluation goes on inside of one comparison is answered at its limit
// from the second time on, long before it ends, and takes no more than one evaluation's processor. Under the race detector what comes
// before the comparison takes longer than the limit.
func TestPolicyThatCannotBeStopped(t *testing.T) {
	var b strings.Builder
	b.WriteString("package a\nx0 := [1]\ny0 := [1]\n")
	const deep = 27
	for i := range deep {
		fmt.Fprintf(&b, "x%d := [x%d, x%d]\ny%d := [y%d, y%d]\n", i+1, i, i, i+1, i, i)
	}
	fmt.Fprintf(&b, "allow if x%d < y%d\n", deep, deep)
	service := newServiceWith(authz.Options{Limit: 5 * time.Millisecond})
	service.Use(compiled(t, revision(publicRoute("r", b.String())), nil))
	whole := overran(t, service)
	for range 5 {
		start := time.Now()
		status, body := ask(t, service, checkOf("r"))
		if took := time.Since(start); status != 403 || took > whole/2 || !holdsOne(body, []string{"timeout", "busy"}) {
			t.Errorf("got %d %s after %s; the whole evaluation took %s", status, body, took, whole)
		}
	}
}

// overran asks until an evaluation went on far beyond its limit, and returns how long it took. On a busy machine what comes
// before the comparison may take the whole limit, and then is stopped like any other.
func overran(t *testing.T, service *authz.Service) time.Duration {
	t.Helper()
	for range 100 {
		start := time.Now()
		if status, body := ask(t, service, checkOf("r")); status != 403 {
			t.Fatal(status, body)
		}
		if took := time.Since(start); took > 300*time.Millisecond {
			return took
		}
	}
	t.Fatal("no evaluation came to the comparison")
	return 0
}
