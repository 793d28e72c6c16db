package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/render"
)

// validateTimeout bounds what Envoy may take to judge one fleet.
const validateTimeout = time.Minute

// validateOptions are what `gatehouse validate` is told.
type validateOptions struct {
	env    surroundings
	dir    string
	beside beside
	envoy  bool
	format *choice
}

// validated is what `gatehouse validate -o json` prints.
type validated struct {
	Revision string          `json:"revision,omitempty"`
	Fleets   []string        `json:"fleets,omitempty"`
	Faults   []gateway.Fault `json:"faults"`
}

// newValidate returns `gatehouse validate`.
func newValidate(env surroundings) *cobra.Command {
	o := validateOptions{env: env}
	c := &cobra.Command{
		Use:   "validate DIR",
		Short: "Find every fault in a directory of documents",
		Long: `Compiles a directory of documents as the daemon would, and prints every fault at once:

  FILE:LINE:COLUMN: CODE: what is wrong, and what to do

What validates is what runs. "gatehouse help CODE" explains a code. With --envoy a real
Envoy also judges what each fleet would get.

A directory that refers to what others have, such as the platform's Gateway, is validated
beside theirs: --with DIR. Only the faults of the first directory are reported, and make
the verb fail; those of others are counted in one line.`,
		Example: `  gatehouse validate examples/quickstart
  gatehouse validate --envoy examples/quickstart
  gatehouse validate payments --with platform`,
		Args: oneDirectory,
	}
	o.format = newFormat(c)
	o.beside.add(c)
	c.Flags().BoolVar(&o.envoy, "envoy", false, "ask a real Envoy too (found by GATEHOUSE_ENVOY, in .tools, or on the PATH)")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run(c.Context())
	}
	return c
}

func (o *validateOptions) run(ctx context.Context) error {
	work, err := o.beside.work(o.dir)
	if err != nil {
		return err
	}
	checked, faults := work.Check(o.env.lookup)
	own, others := o.beside.own(o.dir, faults)
	result := validated{Faults: own}
	if checked != nil {
		result.Revision = checked.Revision.ID
		result.Fleets = slices.Sorted(maps.Keys(checked.Fleets))
		if o.envoy {
			refused, err := o.ask(ctx, checked)
			if err != nil {
				return err
			}
			result.Faults = append(result.Faults, refused...)
		}
	}
	err = o.format.write(o.env.stdout, result, func(w io.Writer) error {
		for _, f := range result.Faults {
			fmt.Fprintln(w, f.Error())
		}
		return nil
	})
	if err != nil {
		return err
	}
	o.beside.tell(o.env.stderr, others)
	return o.summarize(checked, len(result.Faults))
}

// ask lets Envoy judge what each fleet would get.
func (o *validateOptions) ask(ctx context.Context, checked *server.Checked) (gateway.Faults, error) {
	binary, err := findEnvoy(o.env)
	if err != nil {
		return nil, err
	}
	if err := envoy.CheckVersion(ctx, binary); err != nil {
		if !errors.Is(err, envoy.ErrVersion) {
			return nil, err
		}
		fmt.Fprintf(o.env.stderr, "warning: %s\n", err)
	}
	var faults gateway.Faults
	for _, fleet := range slices.Sorted(maps.Keys(checked.Fleets)) {
		from := services{state: defaultState}
		bootstrap, err := render.Static(checked.Fleets[fleet], staticSettings(fleet), from.addresses())
		if err != nil {
			return nil, err
		}
		text, err := envoy.RenderYAML(bootstrap)
		if err != nil {
			return nil, fmt.Errorf("render fleet %s: %w", fleet, err)
		}
		within, cancel := context.WithTimeout(ctx, validateTimeout)
		err = envoy.Validate(within, binary, text)
		cancel()
		switch {
		case errors.Is(err, envoy.ErrRefused):
			faults = append(faults, gateway.Fault{
				Code: gateway.CodeEnvoyRefused, Place: gateway.Place{File: o.dir},
				Message: fmt.Sprintf("fleet %s: %s", fleet, strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", " ")),
			})
		case err != nil:
			return nil, fmt.Errorf("fleet %s: %w", fleet, err)
		default:
			fmt.Fprintf(o.env.stderr, "fleet %s: Envoy %s accepts what it would get\n", fleet, envoy.Version())
		}
	}
	return faults, nil
}

// summarize says in one line how it went.
func (o *validateOptions) summarize(checked *server.Checked, faults int) error {
	if faults > 0 {
		fmt.Fprintf(o.env.stderr, "%s: %s\n", o.dir, count(faults, "fault"))
		return silentError{}
	}
	if checked == nil {
		fmt.Fprintf(o.env.stderr, "%s: no faults\n", o.dir)
		return nil
	}
	r := checked.Revision
	fmt.Fprintf(o.env.stderr, "%s: no faults: %s, %s, %s, %s; revision %s\n", o.beside.name(o.dir), count(len(r.Gateways), "gateway"),
		count(len(r.APIs), "API"), count(len(r.Routes), "route"), count(len(r.Upstreams), "upstream"), r.ID)
	return nil
}

// inDirectory returns faults with the paths of their files as seen from here.
func inDirectory(dir string, faults gateway.Faults) gateway.Faults {
	out := make(gateway.Faults, len(faults))
	for i, f := range faults {
		f.Place.File = filepath.Join(dir, filepath.FromSlash(f.Place.File))
		out[i] = f
	}
	return out
}

// count returns "1 route", "2 routes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "cy"); ok {
		return fmt.Sprintf("%d %scies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// oneDirectory is the argument check of verbs that work on a directory of documents.
func oneDirectory(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("name the directory that holds the documents")
	case 1:
		return nil
	}
	return fmt.Errorf("one directory at a time, not %s", strings.Join(args, " and "))
}
