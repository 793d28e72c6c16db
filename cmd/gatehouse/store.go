package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/internal/program"
	"github.com/gatehouse/gatehouse/store"
)

// storePlace are the flags that tell where the store is, and what opens the secrets in it.
type storePlace struct {
	url, data, state string
	keys             []string
}

// add adds the flags to a verb. The flag --state is the verb's own, or added beside them.
func (p *storePlace) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.url, "store", "", "PostgreSQL, for several replicas, as `URL` postgres://user@host/database, or as file:PATH or env:NAME that holds the URL (default: SQLite in --data)")
	orEnvironment(f, "store", "GATEHOUSE_STORE")
	f.StringVar(&p.data, "data", "", "`DIRECTORY` of the SQLite store, on a disk that outlives a restart of the machine (default: --state)")
	orEnvironment(f, "data", "GATEHOUSE_DATA")
	f.StringSliceVar(&p.keys, "sealing-key", nil, "the key that encrypts secrets in the store, as `SECRET`: file:PATH or env:NAME of 32 bytes in base64 or hexadecimal; of several the first one encrypts, all decrypt")
	orEnvironment(f, "sealing-key", "GATEHOUSE_SEALING_KEY")
}

// options are what the flags say. No error holds a secret.
func (p *storePlace) options(lookup program.Lookup) (store.Options, error) {
	o := store.Options{Dir: p.data}
	if o.Dir == "" {
		o.Dir = p.state
	}
	url := p.url
	if url != "" && !isPostgres(url) {
		var err error
		if url, err = secret(url, lookup); err != nil {
			return o, fmt.Errorf("--store: %w", err)
		}
	}
	if url != "" {
		if !isPostgres(url) {
			return o, usageError{errors.New("--store: it begins with postgres://; a directory is named by --data")}
		}
		if p.data != "" {
			return o, usageError{errors.New("the store is in PostgreSQL or in a directory: say --store or --data")}
		}
		o.URL, o.Dir = url, ""
	}
	for _, reference := range p.keys {
		text, err := secret(reference, lookup)
		if err != nil {
			return o, fmt.Errorf("--sealing-key: %w", err)
		}
		key, err := store.ParseSealingKey(text)
		if err != nil {
			return o, fmt.Errorf("--sealing-key %s: %w", reference, err)
		}
		o.Sealing = append(o.Sealing, key)
	}
	return o, nil
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// open opens a store that is there.
func (p *storePlace) open(ctx context.Context, env surroundings) (*store.Store, error) {
	o, err := p.options(env.lookup)
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if _, err := os.Stat(filepath.Join(o.Dir, store.File)); err != nil {
			return nil, fmt.Errorf("there is no store in %s: --data or --store says where it is", o.Dir)
		}
	}
	return store.Open(ctx, o)
}

// newStore returns `gatehouse store`.
func newStore(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Back up, restore and move what the daemon keeps",
		Long: `Works on what the daemon keeps: its history, nodes, rollouts, observed state, tokens,
authorities and secrets. The store is one SQLite database in a directory, or, for several
replicas, a database of PostgreSQL. The daemon may run meanwhile, but not while a store is
restored or loaded.`,
		Example: `  gatehouse store backup --data /var/lib/gatehouse before-the-upgrade.db
  gatehouse store check --store file:/etc/gatehouse/store-url`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newStoreBackup(env), newStoreRestore(env), newStoreDump(env), newStoreLoad(env), newStoreCheck(env), newStoreRotate(env))
	return c
}

// storeVerb adds to a verb the flags of a store, and does its work with them.
func storeVerb(c *cobra.Command, do func(ctx context.Context, p *storePlace, args []string) error) *cobra.Command {
	var p storePlace
	addState(c, &p.state)
	p.add(c)
	c.RunE = func(c *cobra.Command, args []string) error { return do(c.Context(), &p, args) }
	return c
}

// with does something with a store that is there, and closes it.
func (p *storePlace) with(ctx context.Context, env surroundings, do func(s *store.Store) error) error {
	s, err := p.open(ctx, env)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// oneFile is the argument check of verbs that take the name of a file.
func oneFile(c *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes the name of a file", c.Name())
	}
	return nil
}
