package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/store"
)

func newStoreCheck(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Look for damage in the store",
		Long: `Reads all of the store: the structure of an SQLite database, and every file of every
configuration by its hash. With --sealing-key it also looks whether the keys open every
secret. Exit code 1 where something is wrong.`,
		Example: `  gatehouse store check --data /var/lib/gatehouse`,
		Args:    noWords,
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, _ []string) error {
		return p.with(ctx, env, func(s *store.Store) error {
			if err := s.Check(ctx); err != nil {
				return err
			}
			if len(p.keys) > 0 {
				if err := s.CheckSeals(ctx); err != nil {
					return err
				}
			}
			fmt.Fprintf(env.stderr, "%s is whole\n", s.Path())
			return nil
		})
	})
}

func newStoreRotate(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "rotate-key",
		Short: "Encrypt every secret in the store with a new key",
		Long: `Encrypts every secret in the store with the first --sealing-key; the others open what was
encrypted with them before. It is done whole or not at all. First restart the daemon with
both keys, the new one first, then rotate, then leave the old one out. Where there was no
key yet, one is enough.`,
		Example: `  gatehouse store rotate-key --data /var/lib/gatehouse --sealing-key file:new.key --sealing-key file:old.key`,
		Args:    noWords,
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, _ []string) error {
		if len(p.keys) == 0 {
			return usageError{errors.New("say the new key and the one before: --sealing-key file:new.key --sealing-key file:old.key")}
		}
		return p.with(ctx, env, func(s *store.Store) error {
			count, err := s.Reseal(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(env.stderr, "%d secrets are encrypted with %s\n", count, p.keys[0])
			return nil
		})
	})
}
