package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

const (
	// keptEntries is how many entries of the history stay, beside those that are needed.
	keptEntries = 100
	// keptFor is how long the store remembers a node that has gone, and a token that has ended.
	keptFor = 30 * 24 * time.Hour
	// revokedFor is how long revocations are kept: longer than any certificate lives and may be renewed.
	revokedFor = 400 * 24 * time.Hour
	// choresFirst is how long after a start it is tidied first: what a start or a change writes should not wait for it.
	choresFirst = time.Minute
	// choresEvery is how often the store is tidied, a tenth more or less: daemons of one store need not do it at once.
	choresEvery = time.Hour
	// choresLimit bounds once.
	choresLimit = time.Minute
)

// chores is what one process alone does for its store: remove what nobody needs any more, first after a while and then every
// hour. Its one goroutine ends when it is stopped, at the end of the transaction under way.
func (s *Server) chores(first time.Duration) alone {
	return newAlone("chores", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() { s.tidyAgain(ctx, first) })
		return nil
	})
}

// tidyAgain tidies again and again until ctx ends, first after a while.
func (s *Server) tidyAgain(ctx context.Context, first time.Duration) {
	for wait := first; ; wait = jittered(choresEvery) {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			s.tidy(ctx)
		}
	}
}

// jittered returns a time within a tenth of another.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// tidy removes what nobody needs any more, and logs what that was. What fails is logged and tried again the next time.
func (s *Server) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, choresLimit)
	defer cancel()
	before := s.options.Now().Add(-keptFor)
	nodes, nodesFailed := s.store.Nodes.Forget(ctx, before)
	s.known.forget(before)
	tokens, tokensFailed := s.store.Tokens.Forget(ctx, before)
	access, accessFailed := s.store.Access.Forget(ctx, before)
	certificates, certificatesFailed := s.store.Certificates.Forget(ctx, before, s.options.Now().Add(-revokedFor))
	now := s.options.Now()
	usage, usageFailed := s.store.Usage.Sum(ctx, now.Add(-usageAlone).Truncate(time.Hour), now.Add(-usageKept))
	s.logHead(ctx)
	var replicasFailed error
	if s.cluster != nil {
		_, replicasFailed = s.store.Replicas.Forget(ctx, goneFor)
	}
	pruned, pruneFailed := s.store.History.Prune(ctx, keptEntries, stateHeld, stateRolling) // After the nodes, which need some.
	if pruned != (store.Pruned{}) || nodes+tokens+access+certificates+usage > 0 {
		s.log.Info("store tidied", "entries", pruned.Entries, "contents", pruned.Contents, "files", pruned.Files,
			"rollouts", pruned.Rollouts, "nodes", nodes, "tokens", tokens, "access_tokens", access, "certificates", certificates, "usage", usage)
	}
	if err := errors.Join(nodesFailed, tokensFailed, accessFailed, certificatesFailed, usageFailed, replicasFailed, pruneFailed); err != nil && !errors.Is(err, context.Canceled) {
		s.log.Error("the store cannot be tidied", "error", err)
	}
}

// logHead writes the audit's head into the log: who collects logs elsewhere can later tell that nothing before it was taken away.
func (s *Server) logHead(ctx context.Context) {
	head, err := s.store.Audit.Head(ctx)
	if err != nil {
		s.log.Error("the audit's head cannot be read", "error", err)
		return
	}
	s.log.Info("audit", "head", head.Seq, "hash", head.Hash)
}
