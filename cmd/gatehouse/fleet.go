package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
)

// newFleet returns `gatehouse fleet`.
func newFleet(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "fleet",
		Short: "Keep what a fleet serves, for a day without Gatehouse",
		Long:  `Asks the running daemon about a fleet, the Envoys that get the same configuration.`,
		Example: `  gatehouse fleet export edge -o edge.yaml
  envoy -c edge.yaml`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newFleetExport(env))
	return c
}

// exportOptions are what `gatehouse fleet export` is told.
type exportOptions struct {
	env    surroundings
	daemon daemon
	keys   bool
	file   string
}

// newFleetExport returns `gatehouse fleet export`.
func newFleetExport(env surroundings) *cobra.Command {
	o := exportOptions{env: env}
	c := &cobra.Command{
		Use:   "export FLEET",
		Short: "Write what a fleet serves as one file that an Envoy runs without Gatehouse",
		Long: `Asks the running daemon for what the Envoys of a fleet serve, and writes it as one static
bootstrap. An Envoy that is started with it serves when no daemon can be reached. Routes
that ask Gatehouse answer by their when-away until it is back.

Certificates are named by the paths of their files. With --with-keys they stand inside,
with their private keys: the file then has mode 0600, and the daemon is asked through its
Unix socket only.`,
		Example: `  gatehouse fleet export edge -o edge.yaml
  envoy -c edge.yaml`,
		Args: oneFleet,
	}
	o.daemon.add(c)
	c.Flags().BoolVar(&o.keys, "with-keys", false, "put certificates and private keys into the file")
	c.Flags().StringVarP(&o.file, "output", "o", "", "`FILE` to write, named .yaml or .json (default: the standard output, without keys)")
	c.RunE = func(c *cobra.Command, args []string) error { return o.run(c.Context(), args[0]) }
	return c
}

// oneFleet is the argument check of verbs about a fleet.
func oneFleet(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("name one fleet")
	}
	return nil
}

func (o *exportOptions) run(ctx context.Context, fleet string) error {
	if o.keys && o.file == "" {
		return usageError{errors.New("private keys are not printed: name a file with --output")}
	}
	format := admin.YAML
	switch filepath.Ext(o.file) {
	case ".json":
		format = admin.JSON
	case ".yaml", ".yml":
	default:
		if o.file != "" {
			return usageError{fmt.Errorf("--output: call the file %s.yaml or %s.json, as Envoy tells its form by the name", o.file, o.file)}
		}
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return err
	}
	text, err := client.Export(ctx, fleet, o.keys, format)
	if err != nil {
		return away(err)
	}
	if o.file == "" {
		_, err = o.env.stdout.Write(text)
		return err
	}
	return writeWhole(o.file, text, o.keys)
}

// writeWhole writes a file and moves it into place, so that nobody reads a part; with mode 0600 where it is secret.
func writeWhole(path string, text []byte, secret bool) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".gatehouse-*") // With mode 0600.
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name()) // Where that fails too, the first error is worth more.
		}
	}()
	_, err = file.Write(text)
	if !secret {
		err = errors.Join(err, file.Chmod(0o644))
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(file.Name(), path)
}
