package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/mint"
)

// mintOptions are what `gatehouse token mint` is told.
type mintOptions struct {
	env  surroundings
	file string
	ttl  time.Duration
	name string
}

// newToken returns `gatehouse token`.
func newToken(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:     "token",
		Short:   "Make tokens for examples and tests",
		Example: "  gatehouse token mint --issuer examples/quickstart/issuer.yaml alice",
		Args:    unknownVerb,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newMint(env))
	return c
}

// newMint returns `gatehouse token mint`.
func newMint(env surroundings) *cobra.Command {
	o := mintOptions{env: env}
	c := &cobra.Command{
		Use:   "mint --issuer FILE NAME",
		Short: "Sign a token of an example's issuer",
		Long: `Signs one of the tokens that an Issuer document lists under mint, with the key that it
names there, and prints it. iss, iat, exp and jti are filled in. For examples and tests
only: an issuer whose key lies in a file proves nothing.`,
		Example: `  gatehouse token mint --issuer examples/quickstart/issuer.yaml alice
  curl -H "authorization: Bearer $(gatehouse token mint --issuer issuer.yaml alice)" http://127.0.0.1:8080/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name the token to sign, one of those under mint in the issuer's document")
			}
			return nil
		},
	}
	c.Flags().StringVar(&o.file, "issuer", "", "`FILE` with the Issuer document (required)")
	orEnvironment(c.Flags(), "issuer", "GATEHOUSE_ISSUER")
	c.Flags().DurationVar(&o.ttl, "ttl", time.Hour, "`DURATION` for which the token is valid")
	c.RunE = func(_ *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run()
	}
	return c
}

func (o *mintOptions) run() error {
	switch {
	case o.file == "":
		return usageError{errors.New("name the file with the Issuer document: --issuer")}
	case o.ttl < time.Second:
		return usageError{fmt.Errorf("a token that is valid for %s is of no use: give --ttl at least 1s", o.ttl)}
	}
	issuer, err := o.issuer()
	if err != nil {
		return err
	}
	claims, ok := issuer.Mint.Tokens[o.name]
	if !ok {
		return fmt.Errorf("issuer %s mints no token %q; it mints %s", issuer.Name, o.name,
			strings.Join(slices.Sorted(maps.Keys(issuer.Mint.Tokens)), ", "))
	}
	token, err := mint.Token(mint.Request{Key: issuer.Mint.Key, Issuer: issuer.Issuer, Claims: claims, Now: o.env.now(), TTL: o.ttl})
	if err != nil {
		return fmt.Errorf("issuer %s: %w", issuer.Name, err)
	}
	fmt.Fprintf(o.env.stderr, "token %s of issuer %s, valid for %s: for examples and tests only, never for production\n", o.name, issuer.Name, brief(o.ttl))
	_, err = fmt.Fprintln(o.env.stdout, token)
	return err
}

// issuer returns the one Issuer of the file that can mint.
func (o *mintOptions) issuer() (*gateway.Issuer, error) {
	dir, base := filepath.Split(o.file)
	root, err := os.OpenRoot(filepath.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("read the issuer: %w", err)
	}
	defer func() { _ = root.Close() }() // Only read from.
	if _, err := root.Stat(base); err != nil {
		return nil, fmt.Errorf("read the issuer: %w", err)
	}
	docs, faults := config.LoadFS(single{root.FS(), base}, config.Options{LookupEnv: o.env.lookup})
	if len(faults) > 0 {
		fmt.Fprintln(o.env.failures, inDirectory(filepath.Clean(dir), faults).Error())
		return nil, silentError{}
	}
	able := slices.DeleteFunc(slices.Clone(docs.Issuers), func(i *gateway.Issuer) bool { return i.Mint == nil })
	switch len(able) {
	case 0:
		return nil, fmt.Errorf("no Issuer in %s has mint, a key and claims to sign tokens with", o.file)
	case 1:
		return able[0], nil
	}
	return nil, fmt.Errorf("several Issuers in %s have mint: keep one of them in a file of its own", o.file)
}

// brief writes a duration as a person would: 1h, not 1h0m0s.
func brief(d time.Duration) string {
	text := d.String()
	if before, ok := strings.CutSuffix(text, "m0s"); ok {
		text = before + "m"
	}
	if before, ok := strings.CutSuffix(text, "h0m"); ok {
		text = before + "h"
	}
	return text
}

// single shows one file of a directory to whoever lists it; the files that this one names can be opened all the same.
type single struct {
	fs.FS
	name string
}

// ReadDir lists the one file.
func (s single) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(s.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return name != "." || e.Name() != s.name }), err
}
