package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/store"
)

func newStoreBackup(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a copy of the store, of one moment",
		Long: `Writes a copy of the store, of one moment, to a new file with mode 0600, while the daemon
runs on. Of SQLite it is a database, of PostgreSQL a dump; "gatehouse store restore" takes
both. It holds what the store holds, private keys too: keep it as you keep those.`,
		Example: `  gatehouse store backup --data /var/lib/gatehouse monday.db`,
		Args:    oneFile,
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, args []string) error {
		return p.with(ctx, env, func(s *store.Store) error {
			if err := s.Backup(ctx, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(env.stderr, "backed up %s to %s\n", s.Path(), args[0])
			return nil
		})
	})
}

func newStoreRestore(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup where no store is",
		Long: `Puts a backup where no store is, or an empty one, whole or not at all. Stop the daemon
before, and move the store that is there aside: gatehouse.db and what begins with its name.
What was confirmed after the backup is not in it.`,
		Example: `  gatehouse store restore --data /var/lib/gatehouse monday.db`,
		Args:    oneFile,
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, args []string) error {
		o, err := p.options(env.lookup)
		if err != nil {
			return err
		}
		s, err := store.Restore(ctx, o, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stderr, "restored %s to %s\n", args[0], s.Path())
		return s.Close()
	})
}

func newStoreDump(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Write all of the store as lines of JSON",
		Long: `Writes all of the store, of one moment, as lines of JSON: to a new file with mode 0600, or to
the standard output. "gatehouse store load" reads it into an empty store, of SQLite or of
PostgreSQL: so one is moved to the other. Secrets are in it as they are stored: encrypted
where there is a sealing key, and readable where there is none.`,
		Example: `  gatehouse store dump --data /var/lib/gatehouse all.jsonl
  gatehouse store load --store file:/etc/gatehouse/store-url all.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("dump takes the name of one file, or none")
			}
			return nil
		},
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, args []string) error {
		return p.with(ctx, env, func(s *store.Store) error {
			if len(args) == 0 {
				return s.Dump(ctx, env.stdout)
			}
			if err := s.DumpTo(ctx, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(env.stderr, "dumped %s to %s\n", s.Path(), args[0])
			return nil
		})
	})
}

func newStoreLoad(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "load FILE",
		Short: "Fill an empty store with a dump",
		Long: `Fills an empty store, of SQLite or of PostgreSQL, with a dump of this or an older version:
whole or not at all. Numbers, times and encrypted secrets stay as they are: the new store
is opened with the same sealing key.`,
		Example: `  gatehouse store load --store env:STORE_URL all.jsonl`,
		Args:    oneFile,
	}
	return storeVerb(c, func(ctx context.Context, p *storePlace, args []string) error {
		o, err := p.options(env.lookup)
		if err != nil {
			return err
		}
		file, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // Only read from.
		s, err := store.Open(ctx, o)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Load(ctx, file), s.Close()); err != nil {
			return err
		}
		fmt.Fprintf(env.stderr, "loaded %s into %s\n", args[0], s.Path())
		return nil
	})
}
