package store_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// at says where a store is: at a URL of PostgreSQL, or in a directory.
func at(place string) store.Options {
	if strings.HasPrefix(place, "postgres://") {
		return store.Options{URL: place}
	}
	return store.Options{Dir: place}
}

// kept is how many entries pruning leaves.
const kept = 40

// writeForEver changes everything that can be changed, in turn, and prints each change after it was confirmed.
func writeForEver(ctx context.Context, out io.Writer, place string) error {
	s, err := store.Open(ctx, at(place))
	if err != nil {
		return err
	}
	me := rand.Text() // Numbers of processes are given again.
	var open []store.Rollout
	var last int64
	for i := int64(1); ; i++ {
		entry := store.Entry{Content: fmt.Sprint(me, "-", i), State: "held", Source: me, Resources: fmt.Append(nil, "resources of ", me, "-", i)}
		if i%10 == 5 {
			entry.Of = last
		}
		e, err := s.History.Add(ctx, entry, derived(me, i))
		if err != nil {
			return err
		}
		last = e.Number
		if open, err = rollOut(ctx, s, me, e.Number, open); err != nil {
			return err
		}
		fmt.Fprintln(out, "entry", e.Number, e.Content)
		if _, err := s.Observed.Put(ctx, store.Value{Kind: "endpoints", Name: me, Value: fmt.Append(nil, i)}, store.AnyVersion); err != nil {
			return err
		}
		fmt.Fprintln(out, "value", me, i)
		nodes := make([]store.Node, 30)
		for n := range nodes {
			nodes[n] = store.Node{Fleet: me, Name: fmt.Sprint(n), Entry: e.Number, Address: fmt.Sprint(i)}
		}
		if err := s.Nodes.Put(ctx, nodes...); err != nil {
			return err
		}
		fmt.Fprintln(out, "nodes", me, i)
		token := store.Token{ID: e.Content, Fleet: me, Uses: 2, Expires: time.Now().Add(time.Hour)}
		if _, err := s.Tokens.Create(ctx, token, make([]byte, 32)); err != nil {
			return err
		}
		fmt.Fprintln(out, "token", e.Content, 2)
		if _, err := s.Tokens.Take(ctx, store.Claim{ID: e.Content, Secret: make([]byte, 32)}); err != nil {
			return err
		}
		fmt.Fprintln(out, "token", e.Content, 1)
		if err := errors.Join(writeOfReplicas(ctx, s, out, me, i), writeOfPeople(ctx, s, out, me, i)); err != nil {
			return err
		}
		if i%10 == 0 {
			if err := s.Nodes.Put(ctx, store.Node{Fleet: me, Name: "0", Content: "none"}); err != nil {
				return err
			}
			if _, err := s.History.Prune(ctx, kept); err != nil {
				return err
			}
		}
	}
}

// rollOut opens a rollout in the place of the one that is open, and sets the states of both entries: four changes that are one.
func rollOut(ctx context.Context, s *store.Store, fleet string, entry int64, open []store.Rollout) (opened []store.Rollout, err error) {
	err = s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		for _, r := range open {
			r.State, r.Finished = "superseded", time.Now()
			_, err := s.Rollouts.Put(ctx, r)
			if err := errors.Join(err, s.History.SetState(ctx, r.Entry, "rolling", "superseded", "")); err != nil {
				return err
			}
		}
		if err := s.History.SetState(ctx, entry, "held", "rolling", ""); err != nil {
			return err
		}
		opened, err = s.Rollouts.Put(ctx, store.Rollout{Fleet: fleet, Entry: entry, State: "rolling"})
		return err
	})
	return opened, err
}

// writeOfReplicas changes what replicas know of each other, a secret and a small thing.
func writeOfReplicas(ctx context.Context, s *store.Store, out io.Writer, me string, i int64) error {
	lease, err := s.Leases.Take(ctx, "of "+me, me, time.Hour)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "lease", me, lease.Fence)
	if err := s.Replicas.Beat(ctx, store.Replica{ID: me, Report: fmt.Append(nil, i)}); err != nil {
		return err
	}
	fmt.Fprintln(out, "beat", me, i)
	if err := s.Secrets.Put(ctx, me, fmt.Append(nil, i)); err != nil {
		return err
	}
	fmt.Fprintln(out, "secret", me, i)
	err = s.Together(ctx, func(ctx context.Context, s *store.Store) error {
		return errors.Join(s.Leases.Check(ctx, lease), s.Meta.Set(ctx, me+"/a", fmt.Sprint(i)), s.Meta.Set(ctx, me+"/b", fmt.Sprint(i)))
	})
	if err == nil {
		fmt.Fprintln(out, "meta", me, i)
	}
	return err
}

// derived is a configuration that is known by who made it and how manyeth it is.
func derived(by string, i int64) map[string][]byte {
	files := map[string][]byte{"same.yaml": []byte("kind: Gateway\n")}
	for f := range 8 {
		sum := sha256.Sum256(fmt.Append(nil, by, i, f))
		data := slices.Clone(sum[:])
		for len(data) < 4096 {
			sum = sha256.Sum256(sum[:])
			data = append(data, sum[:]...)
		}
		files[fmt.Sprint("file-", f)] = data
	}
	return files
}
