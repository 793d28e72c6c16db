// Package storetest holds what every store must pass, whatever database is below it.
//
// In: a way to make a place for a store, and to open the store there several times. Out: failed tests.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/store"
)

// Open opens the store at one place; it adds to the options where that is.
type Open func(t *testing.T, o store.Options) *store.Store

// Subject is a store under test, the way to open it once more beside the first, and its time.
type Subject struct {
	*store.Store
	Open  Open
	Clock *Clock
	runs  int // How often a property is tried.
}

// Clock is a clock that stands still unless advanced.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now returns the time at which the clock stands.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the suite, each test on a place of its own, and tries each property a number of times.
func Run(t *testing.T, runs int, place func(t *testing.T) Open) {
	t.Helper()
	tests := map[string]func(*testing.T, Subject){
		"history: what is added comes back":              historyComesBack,
		"history: lists newest first, in parts":          historyLists,
		"history: a known content needs no files":        historyKnownContent,
		"history: an entry has a content":                historyNeedsContent,
		"history: a state is set only from the expected": historyStates,
		"history: of several, one sets the state":        historyRace,
		"history: prunes what nobody needs":              historyPrunes,
		"history: keeps what stands in":                  historyPrunesNoAncestors,
		"history: keeps what rollbacks go back to":       historyPrunesNoTargets,
		"history: numbers are never given twice":         historyNumbers,
		"history: agrees with a model":                   historyAgrees,
		"nodes: what is put comes back":                  nodesComeBack,
		"nodes: what is not told stays":                  nodesKeep,
		"nodes: all or none":                             nodesAtomic,
		"nodes: are forgotten":                           nodesForgotten,
		"rollouts: one open for each fleet":              rolloutsOneOpen,
		"rollouts: a step needs the version before":      rolloutsVersion,
		"rollouts: the last finished":                    rolloutsFinished,
		"observed: versions are compared":                observedVersions,
		"observed: the trail is bounded":                 observedTrail,
		"observed: agrees with a model":                  observedAgrees,
		"tokens: uses are taken until none is left":      tokensTaken,
		"tokens: refusals":                               tokensRefused,
		"tokens: exactly as many as there are uses":      tokensRace,
		"authority: one is active":                       authorityOneActive,
		"authority: rotates":                             authorityRotates,
		"authority: sealed keys":                         authoritySealed,
		"access: tokens come back":                       accessComeBack,
		"access: refusals":                               accessRefused,
		"access: rotates":                                accessRotates,
		"audit: comes back":                              auditComesBack,
		"audit: one chain of several":                    auditOneChain,
		"audit: truncation":                              auditTruncated,
		"meta: set, get, init":                           metaValues,
		"history: added only after the newest":           historyAfter,
		"dump: everything":                               dumpNamesEverything,
		"load: refuses":                                  loadRefuses,
		"sealing keys: rotate":                           keysRotate,
		"leases: one holder":                             leasesOneHolder,
		"leases: end":                                    leasesEnd,
		"assignments":                                    assignments,
		"questions":                                      questions,
		"replicas: what is told comes back":              replicasComeBack,
		"secrets: sealed, by several keys":               secretsComeBack,
		"feed: tells what changes":                       feedTells,
		"feed: ends":                                     feedEnds,
		"feed: is bounded":                               feedIsBounded,
		"certificates: what is issued comes back":        certificatesComeBack,
		"certificates: a node is revoked":                certificatesRevoked,
		"certificates: one is revoked":                   certificatesRevokedOne,
		"usage: counts nothing twice":                    usageCounts,
		"usage: sums up":                                 usageSums,
		"accounts: come back":                            accountsComeBack,
		"accounts: plans change":                         plansChange,
		"accounts: refusals":                             accountsRefused,
		"accounts: credentials rotate":                   credentialsRotate,
		"accounts: are followed":                         accountsAreFollowed,
		"accounts: by pages":                             accountsByPages,
		"together: all or none":                          togetherAllOrNone,
		"together: goes on after a failed call":          togetherGoesOn,
		"times come back":                                timesComeBack,
		"survives being closed":                          survives,
		"a call ends with its context":                   contextEnds,
		"closed":                                         closed,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open, clock := place(t), &Clock{now: time.Date(2026, 11, 23, 1, 0, 0, 123_456_000, time.UTC)}
			test(t, Subject{open(t, store.Options{Now: clock.Now}), open, clock, runs})
		})
	}
}

// check tries a property, not more often than the subject is worth: a database over a network takes longer than a file. While
// rapid makes a failure small it is tried as often as that takes.
func (s Subject) check(t *testing.T, property func(t *rapid.T)) {
	t.Helper()
	tried, failed := 0, false
	rapid.Check(t, func(t *rapid.T) {
		if tried++; tried > s.runs && !failed {
			return
		}
		passed := false
		defer func() { failed = failed || !passed }()
		property(t)
		passed = !t.Failed()
	})
}

// fataler is what *testing.T and *rapid.T have in common.
type fataler interface {
	Helper()
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// must takes what a call returned, and ends the test where that is an error.
func must[T any](value T, err error) func(fataler) T {
	return func(t fataler) T {
		t.Helper()
		done(t, err)
		return value
	}
}

// failure takes what a call returned, for its error alone.
func failure[T any](_ T, err error) error { return err }

func done(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
}

// is checks that an error is the one that is wanted; nil wants none.
func is(t fataler, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func equal(t fataler, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// race calls do n times at once and returns the errors, nil for each call that succeeded.
func race(n int, do func(i int) error) []error {
	failures := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { failures[i] = do(i) })
	}
	group.Wait()
	return failures
}

// sameFiles checks that a content is what was stored.
func (s Subject) sameFiles(t fataler, content string, want map[string][]byte) {
	t.Helper()
	got := must(s.History.Files(t.Context(), content))(t)
	if !maps.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("content %s has other files than were stored: %d, want %d", content, len(got), len(want))
	}
}
