package authz_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/authz"
)

// greedy are policies that take much time or memory, and the reason by which each is refused.
func greedy() map[string][2]string {
	double := func(first, each, last string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "package a\nx0 := %s\n", first)
		for i := range 40 {
			fmt.Fprintf(&b, "x%d := %s\n", i+1, strings.ReplaceAll(each, "X", fmt.Sprint("x", i)))
		}
		return b.String() + "allow if " + last
	}
	return map[string][2]string{
		"range":             {"package a\nallow if count(numbers.range(1, 1000000000)) > 1", "evaluation-error"},
		"huge range":        {"package a\nallow if count(numbers.range(1, 100000000000000000000000)) > 1", "evaluation-error"},
		"range by step":     {"package a\nallow if count(numbers.range_step(1, 1000000000, 2)) > 1", "evaluation-error"},
		"loop":              {"package a\nr := numbers.range(1, 10000)\nallow if { some i in r; some j in r; i * j == -1 }", "timeout"},
		"comprehension":     {"package a\nr := numbers.range(1, 10000)\nallow if count([[i, j] | some i in r; some j in r]) > 1", "timeout"},
		"object":            {"package a\nr := numbers.range(1, 10000)\nallow if count({k: j | some i in r; some j in r; k := sprintf(\"%d-%d\", [i, j])}) > 1", "timeout"},
		"cidr":              {"package a\nallow if count(net.cidr_expand(\"10.0.0.0/8\")) > 1", "timeout"},
		"walk":              {double("[1]", "[X, X]", "count([p | walk(x40, [p, _])]) > 1"), "timeout"},
		"marshal":           {double("[1]", "[X, X]", "json.marshal(x40) != \"\""), "evaluation-error"},
		"print of a tree":   {double("[1]", "[X, X]", "sprintf(\"%v\", [x40]) != \"\""), "evaluation-error"},
		"text":              {double(`"abcdefgh"`, `concat("", [X, X])`, "count(x40) > 1"), "evaluation-error"},
		"text by template":  {double(`"abcdefgh"`, `$"{X}{X}"`, "count(x40) > 1"), "evaluation-error"},
		"stands in":         {double("[1]", "[X, X]", "f(x40) != \"\" with data.a.f as json.marshal") + "\nf(x) := \"a\"", "evaluation-error"},
		"answer":            {strings.ReplaceAll(double("[1]", "[X, X]", "false"), "allow if false", "allow := {\"allowed\": true, \"dynamic_metadata\": {\"x\": x40}}"), "wrong-type"},
		"shift":             {"package a\nallow if bits.lsh(1, 10000000000) > 1", "evaluation-error"},
		"padding":           {"package a\nallow if sprintf(\"%999999d%999999d%999999d\", [1, 2, 3]) != \"\"", "evaluation-error"},
		"computed padding":  {"package a\nallow if sprintf(\"%*d\", [1000000, 1]) != \"\"", "evaluation-error"},
		"split":             {double(`"abcdefgh"`, `concat("", [X, X])`, "count(split(x16, \"\")) > 1"), "evaluation-error"},
		"paths of a number": {double("2", "X * X", "x40 > 1"), "timeout evaluation-error"},
	}
}

// TestGreedyPolicies holds that no policy takes much longer than its limit, nor much memory.
func TestGreedyPolicies(t *testing.T) {
	for name, test := range greedy() {
		t.Run(name, func(t *testing.T) {
			limit := 30 * time.Millisecond
			if !strings.Contains(test[1], "timeout") { // What stops it is its size, however slow the machine is.
				limit = time.Second
			}
			service := newServiceWith(authz.Options{Limit: limit})
			service.Use(compiled(t, revision(publicRoute("r", test[0])), nil))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			response, err := service.Check(t.Context(), checkOf("r"))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err != nil || response.GetDeniedResponse() == nil {
				t.Fatal(response, err)
			}
			if body := response.GetDeniedResponse().GetBody(); !holdsOne(body, strings.Fields(test[1])) {
				t.Errorf("got %s, want the reason %s", body, test[1])
			}
			if took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
			if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 300 {
				t.Errorf("it took %d MiB", taken)
			}
		})
	}
}

func holdsOne(text string, words []string) bool {
	for _, w := range words {
		if strings.Contains(text, `"`+w+`"`) {
			return true
		}
	}
	return false
}

// TestLimitOfOnePolicy holds that a policy's own limit counts for it.
func TestLimitOfOnePolicy(t *testing.T) {
	const busy = "package a\nr := numbers.range(1, 300)\nallow if { count([1 | some i in r; some j in r; i < j]) > 1 }"
	route := publicRoute("r", busy)
	service := newServiceWith(authz.Options{Limit: time.Millisecond})
	service.Use(compiled(t, revision(route), nil))
	if status, body := ask(t, service, checkOf("r")); status != 403 || !strings.Contains(body, "timeout") {
		t.Fatalf("got %d %s, want a timeout", status, body)
	}
	route.Authorize[0].Policy.Limit = patient
	route.Rules = "r2"
	service.Use(compiled(t, revision(route), nil))
	if status, body := ask(t, service, checkOf("r2")); status != 200 {
		t.Errorf("got %d %s, want the policy's own limit", status, body)
	}
}

// TestOthersAnswerMeanwhile holds that a Check answers in less than 50 ms while another one is slow and a table of 2,000 policies
// is compiled and used. A service that nobody disturbs is asked at the same time: by what its Checks take longer the machine is
// busy, and no lock is to blame. The best of a few attempts counts.
func TestOthersAnswerMeanwhile(t *testing.T) {
	const most, attempts = 50 * time.Millisecond, 4
	var worst, undisturbed time.Duration
	for range attempts {
		if worst, undisturbed = slowestMeanwhile(t); worst <= most+2*undisturbed || raced {
			return
		}
	}
	t.Errorf("the slowest Check took %s, and %s where nobody disturbs", worst, undisturbed)
}

// slowestMeanwhile returns how long the slowest of many Checks took while another one was slow and 2,000 policies were compiled,
// and how long the slowest of another service's took.
func slowestMeanwhile(t *testing.T) (worst, undisturbed time.Duration) {
	t.Helper()
	slow := publicRoute("slow", "package a\nr := numbers.range(1, 10000)\nallow if { some i in r; some j in r; i * j == -1 }")
	slow.Authorize[0].Policy.Limit = 1500 * time.Millisecond
	quick := publicRoute("quick", "package a\nallow if true")
	service, other := newServiceWith(authz.Options{}), newServiceWith(authz.Options{})
	table := compiled(t, revision(slow, quick), nil)
	service.Use(table)
	other.Use(compiled(t, revision(quick), nil))
	var group, asking sync.WaitGroup
	group.Go(func() { _, _ = service.Check(t.Context(), checkOf("slow")) })
	group.Go(func() {
		many := manyRoutes(2000)
		many.Routes = append(many.Routes, slow, quick)
		many.Policies = append(many.Policies, slow.Authorize[0].Policy, quick.Authorize[0].Policy)
		next, _ := authz.Compile(many, table)
		service.Use(next)
	})
	done := make(chan struct{})
	asking.Go(func() { undisturbed = slowest(t, other, done) })
	asking.Go(func() { worst = slowest(t, service, done) })
	group.Wait()
	close(done)
	asking.Wait()
	t.Logf("the slowest Check took %s, and %s where nobody disturbs", worst, undisturbed)
	return worst, undisturbed
}

// slowest asks a service again and again until done, and returns how long its slowest answer took.
func slowest(t *testing.T, service *authz.Service, done <-chan struct{}) (worst time.Duration) {
	t.Helper()
	for {
		start := time.Now()
		response, err := service.Check(t.Context(), checkOf("quick"))
		if err != nil || response.GetDeniedResponse() != nil {
			t.Error(response, err)
		}
		worst = max(worst, time.Since(start))
		select {
		case <-done:
			return worst
		case <-time.After(time.Millisecond):
		}
	}
}

// TestSlowPolicyLeavesRoom holds that many requests for one slow policy leave room for another's, and that those that wait longer
// than their Envoy does are answered.
func TestSlowPolicyLeavesRoom(t *testing.T) {
	slow := publicRoute("slow", "package a\nr := numbers.range(1, 10000)\nallow if { some i in r; some j in r; i * j == -1 }")
	slow.Authorize[0].Policy.Limit = 100 * time.Millisecond
	service := newServiceWith(authz.Options{})
	service.Use(compiled(t, revision(slow, publicRoute("quick", "package a\nallow if true")), nil))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for range 2000 {
		group.Go(func() {
			if response, err := service.Check(ctx, checkOf("slow")); err != nil || response.GetDeniedResponse() == nil {
				t.Error(response, err)
			}
		})
	}
	if status, body := ask(t, service, checkOf("quick")); status != 200 {
		t.Error(status, body)
	}
	group.Wait()
	if counts := service.Counts(); counts.Expired == 0 {
		t.Errorf("nobody waited in vain: %+v", counts)
	}
}
