//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Of the proof of a limit that replicas share.
const (
	limitClients = 64
	limitQuota   = 1000
	limitCalls   = 5000
)

// limitsOfReplicas sends 5,000 requests of 64 clients through Envoys of three replicas: of a limit of 1,000 exactly that many pass;
// of another one, while an Envoy is killed, all pass but what was under way at that Envoy; of a third, while Redis is killed and comes
// back empty, at most as many again.
func limitsOfReplicas(t *testing.T, p programs) {
	documents := severalDocuments(limitQuota)
	// A machine that is busy answers late: a request that did not hear of it has spent all the same.
	documents["bank.yaml"] = strings.Replace(documents["bank.yaml"], "  - {id: few,", fmt.Sprintf(
		"  - {id: all, path: /all, limits: [{name: all, limit: %d, per: 1h, store-timeout: 1s}]}\n"+
			"  - {id: third, path: /third, limits: [{name: third, limit: %[1]d, per: 1h, store-timeout: 1s}]}\n"+
			"  - {id: other, path: /other, limits: [{name: other, limit: %[1]d, per: 1h, store-timeout: 1s}]}\n  - {id: few,", limitQuota), 1)
	w := newSeveral(t, p, documents)
	passed, refused, failed, lost := w.limited("/all", func(int64) {})
	t.Logf("%d requests passed a limit of %d, %d were refused, %d failed", passed, limitQuota, refused, failed)
	if passed != limitQuota || failed+lost != 0 {
		t.Errorf("%d requests passed a limit of %d, %d failed and %d were lost", passed, limitQuota, failed, lost)
	}

	var killed sync.Once
	passed, refused, failed, lost = w.limited("/third", func(n int64) {
		if n >= limitQuota/2 {
			killed.Do(w.envoys[0].kill)
		}
	})
	t.Logf("with an Envoy killed %d requests passed a limit of %d, %d were refused, %d failed, %d were lost", passed, limitQuota, refused, failed, lost)
	if passed > limitQuota || passed < limitQuota-limitClients || failed != 0 || lost > limitClients {
		t.Errorf("%d requests passed a limit of %d while an Envoy was killed: want all but at most one of each client, and %d failed, %d were lost", passed, limitQuota, failed, lost)
	}
	if a, err := w.do(http.MethodGet, w.url("PORT", "/third")); err != nil || a.status != http.StatusTooManyRequests {
		t.Errorf("after it the limit is not reached: %+v, %v", a, err)
	}

	var once sync.Once
	passed, refused, failed, lost = w.limited("/other", func(n int64) {
		if n >= limitQuota/2 {
			once.Do(func() {
				w.limits.Stop()
				w.limits.Start(t)
			})
		}
	})
	t.Logf("with Redis killed %d requests passed a limit of %d, %d were refused, %d failed", passed, limitQuota, refused, failed)
	if lost != 0 {
		t.Errorf("%d requests were lost while Redis was killed", lost)
	}
	w.eventually("the limit is reached after the restart", func() bool {
		a, err := w.do(http.MethodGet, w.url("PORT", "/other"))
		if err == nil && a.status == http.StatusOK {
			passed++
		}
		return err == nil && a.status == http.StatusTooManyRequests
	})
	if passed < limitQuota || passed > 2*limitQuota {
		t.Errorf("%d requests passed a limit of %d while Redis lost its counts once, want at most twice as many", passed, limitQuota)
	}
}

// limited sends requests to a limited path, and tells after each how many have passed until then. What has no answer is lost.
func (w *several) limited(path string, after func(passed int64)) (passed, refused, failed, lost int64) {
	w.t.Helper()
	var sent, good, over, away, gone atomic.Int64
	var clients sync.WaitGroup
	for range limitClients {
		clients.Go(func() {
			for sent.Add(1) <= limitCalls {
				a, err := w.do(http.MethodGet, w.url("PORT", path))
				switch {
				case err != nil:
					gone.Add(1)
				case a.status == http.StatusOK:
					good.Add(1)
				case a.status == http.StatusTooManyRequests:
					over.Add(1)
				case a.status == http.StatusServiceUnavailable:
					away.Add(1)
				default:
					w.t.Errorf("a limited request is answered %+v", a)
				}
				after(good.Load())
			}
		})
	}
	clients.Wait()
	return good.Load(), over.Load(), away.Load(), gone.Load()
}
