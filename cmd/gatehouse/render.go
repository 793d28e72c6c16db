package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/xds/render"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// renderOptions are what `gatehouse render` is told.
type renderOptions struct {
	env      surroundings
	dir      string
	fleet    string
	what     choice
	format   choice
	services services
}

// newRender returns `gatehouse render`.
func newRender(env surroundings) *cobra.Command {
	o := renderOptions{
		env:    env,
		what:   newChoice("bootstrap", "bootstrap", "cluster", "endpoint", "listener", "route", "virtual-host", "extension", "secret"),
		format: newChoice("yaml", "yaml", "json"),
	}
	c := &cobra.Command{
		Use:   "render DIR",
		Short: "Print what a fleet's Envoys get",
		Long: `Prints what the Envoys of a fleet get from a directory of documents: by default as one
static bootstrap, which an Envoy runs as it is, without xDS; with --type the resources of
one type, as the daemon sends them. Equal documents give equal bytes. Certificates and
their keys appear by the paths of their files.

A static Envoy still asks Gatehouse where a route needs authorization or limits, at the
addresses that the flags say.`,
		Example: `  gatehouse render examples/quickstart --fleet edge > edge.yaml
  envoy -c edge.yaml
  gatehouse render examples/quickstart --type virtual-host`,
		Args: oneDirectory,
	}
	f := c.Flags()
	f.StringVar(&o.fleet, "fleet", "", "the `FLEET`; may be left out where there is only one")
	orEnvironment(f, "fleet", "GATEHOUSE_FLEET")
	o.what.add(c, "type", "", "the `TYPE` to print: "+strings.Join(o.what.words, ", "))
	o.format.add(c, "output", "o", "form of the data")
	o.services.add(c, false)
	c.RunE = func(_ *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run()
	}
	return c
}

func (o *renderOptions) run() error {
	checked, err := o.env.check(o.dir)
	if err != nil {
		return err
	}
	res, err := fleetOf(checked, o.fleet)
	if err != nil {
		return err
	}
	var text []byte
	if o.what.value == "bootstrap" {
		bootstrap, failed := render.Static(res, staticSettings(res.Fleet), o.services.addresses())
		if failed != nil {
			return failed
		}
		text, err = o.one(bootstrap)
	} else {
		text, err = o.list(resources(res, o.what.value))
	}
	if err != nil {
		return err
	}
	_, err = o.env.stdout.Write(text)
	return err
}

// check compiles a directory for a verb that needs one without faults; they are printed where there are any.
func (env surroundings) check(dir string) (*server.Checked, error) {
	if err := directory(dir); err != nil {
		return nil, err
	}
	checked, faults := server.Check(dir, env.lookup)
	if len(faults) > 0 {
		fmt.Fprintln(env.failures, inDirectory(dir, faults).Error())
		fmt.Fprintf(env.failures, "%s: %s\n", dir, count(len(faults), "fault"))
		return nil, silentError{}
	}
	return checked, nil
}

// fleetOf returns what a fleet gets, or the only fleet's where none is named.
func fleetOf(checked *server.Checked, fleet string) (*translate.Resources, error) {
	names := slices.Sorted(maps.Keys(checked.Fleets))
	if fleet == "" && len(names) == 1 {
		fleet = names[0]
	}
	res, ok := checked.Fleets[fleet]
	switch {
	case ok:
		return res, nil
	case len(names) == 0:
		return nil, errors.New("the documents have no Gateway, so there is no fleet")
	case fleet == "":
		return nil, usageError{fmt.Errorf("there are several fleets: choose one of %s with --fleet", strings.Join(names, ", "))}
	}
	return nil, fmt.Errorf("there is no fleet %q; there is %s", fleet, strings.Join(names, ", "))
}

// staticSettings returns the settings of an Envoy that runs without xDS.
func staticSettings(fleet string) envoy.Settings {
	return envoy.Settings{Fleet: fleet, Node: fleet, Dir: filepath.Join(defaultState, fleet)}
}

// resources returns those of one type.
func resources(res *translate.Resources, what string) []proto.Message {
	switch what {
	case "cluster":
		return messages(res.Clusters)
	case "endpoint":
		return messages(res.Endpoints)
	case "listener":
		return messages(res.Listeners)
	case "route":
		return messages(res.Routes)
	case "virtual-host":
		return messages(res.VirtualHosts)
	}
	if what == "secret" {
		return secrets(res)
	}
	return messages(res.Extensions())
}

// secrets returns certificates by the paths of their files, as the daemon sends what these hold and nobody prints it, and those
// who may have issued the certificates of clients.
func secrets(res *translate.Resources) []proto.Message {
	var out []proto.Message
	for _, c := range res.Certificates {
		out = append(out, c.FileSecret())
	}
	for _, a := range res.Authorities {
		out = append(out, a.Secret())
	}
	return out
}

func messages[M proto.Message](list []M) []proto.Message {
	out := make([]proto.Message, len(list))
	for i, m := range list {
		out[i] = m
	}
	return out
}

// one renders a message.
func (o *renderOptions) one(m proto.Message) ([]byte, error) {
	if o.format.value == "json" {
		return envoy.RenderJSON(m)
	}
	return envoy.RenderYAML(m)
}

// list renders several messages: YAML documents, or a JSON list.
func (o *renderOptions) list(all []proto.Message) ([]byte, error) {
	if o.format.value == "json" {
		list := make([]json.RawMessage, len(all))
		for i, m := range all {
			text, err := envoy.RenderJSON(m)
			if err != nil {
				return nil, err
			}
			list[i] = text
		}
		text, err := json.MarshalIndent(list, "", "  ")
		return append(text, '\n'), err
	}
	var out []byte
	for i, m := range all {
		text, err := envoy.RenderYAML(m)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, text...)
	}
	return out, nil
}
