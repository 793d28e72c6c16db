package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
)

// nodeOptions are what a verb about one node is told.
type nodeOptions struct {
	env    surroundings
	daemon daemon
	socket string // Of the Envoy's admin interface; empty: where the node says.
}

func (o *nodeOptions) add(c *cobra.Command) {
	o.daemon.add(c)
	c.Flags().StringVar(&o.socket, "envoy-admin", "", "`SOCKET` of the Envoy's admin interface (default: where the node says that it is)")
}

// find returns the node that an argument names: FLEET/NODE, or NODE where only one fleet has it.
func (o *nodeOptions) find(ctx context.Context, named string) (admin.NodeDetail, *admin.Client, error) {
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return admin.NodeDetail{}, nil, err
	}
	fleet, name, full := strings.Cut(named, "/")
	if !full {
		if fleet, err = o.fleetOf(ctx, client, named); err != nil {
			return admin.NodeDetail{}, nil, err
		}
		name = named
	}
	node, err := client.Node(ctx, fleet, name)
	if err != nil {
		return admin.NodeDetail{}, nil, away(err)
	}
	return node, client, nil
}

// fleetOf returns the one fleet that has a node of a name.
func (o *nodeOptions) fleetOf(ctx context.Context, client *admin.Client, name string) (string, error) {
	nodes, err := client.Nodes(ctx, "")
	if err != nil {
		return "", away(err)
	}
	var fleets []string
	for _, n := range nodes {
		if n.Name == name {
			fleets = append(fleets, n.Fleet)
		}
	}
	switch len(fleets) {
	case 0:
		return "", fmt.Errorf("no node %s is known: gatehouse nodes lists them", name)
	case 1:
		return fleets[0], nil
	}
	return "", fmt.Errorf("the fleets %s have a node %s each: write FLEET/%s", strings.Join(fleets, ", "), name, name)
}

// envoyAdmin returns the admin interface of a node's Envoy, if it can be reached from here.
func (o *nodeOptions) envoyAdmin(n *admin.Node) (*envoy.Admin, string, error) {
	socket := o.socket
	if socket == "" {
		socket = n.Admin
	}
	if socket == "" {
		return nil, "", errors.New("the node does not say where its admin socket is: name it by --envoy-admin")
	}
	return envoy.NewAdmin(socket), socket, nil
}

// unreachable says what to do where an Envoy's admin socket cannot be opened.
func unreachable(socket string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s on this machine: run this where the Envoy runs", socket)
	}
	return err
}

// shown is what `gatehouse nodes show` knows, as JSON.
type shown struct {
	admin.NodeDetail
	Dump        string       `json:"dump,omitempty"`       // The socket at which the Envoy was asked.
	DumpError   string       `json:"dump_error,omitempty"` // Why it could not be.
	Differences []difference `json:"differences"`
}

// newNodesShow returns `gatehouse nodes show`.
func newNodesShow(env surroundings) *cobra.Command {
	o := nodeOptions{env: env}
	c := &cobra.Command{
		Use:   "show NODE",
		Short: "Tell all about one Envoy, and whether it runs what it was sent",
		Long: `Tells everything that is known about one Envoy: what it should have, has acknowledged and has
refused, with the documents that this comes from. Where the Envoy's admin socket is on this
machine, it is asked what it runs, and every difference is shown.`,
		Example: `  gatehouse nodes show edge-1
  gatehouse nodes show edge/edge-1 -o json`,
		Args: oneNode,
	}
	format := newFormat(c)
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := o.show(c.Context(), args[0])
		if err != nil {
			return err
		}
		return format.write(o.env.stdout, s, s.write)
	}
	return c
}

// show gathers what is known.
func (o *nodeOptions) show(ctx context.Context, named string) (*shown, error) {
	node, _, err := o.find(ctx, named)
	if err != nil {
		return nil, err
	}
	s := &shown{NodeDetail: node, Differences: []difference{}}
	asked, socket, err := o.envoyAdmin(&node.Node)
	if err == nil {
		var running []envoy.Running
		if running, err = asked.Running(ctx); err == nil {
			s.Dump = socket
			s.Differences, err = differences(node.Resources, running)
		}
		if err != nil {
			err = unreachable(socket, err)
		}
	}
	if err != nil {
		s.DumpError = err.Error()
	}
	return s, nil
}

// write prints for people. The columns of the first lines are those of the writer.
func (s *shown) write(w io.Writer) error {
	n := &s.Node
	line := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("node", "%s/%s, %s", n.Fleet, n.Name, n.State)
	line("envoy", "%s, bootstrap %s, at %s", dash(n.Envoy), dash(n.Bootstrap), dash(n.Address))
	if n.Warning != "" {
		line("warning", "%s", n.Warning)
	}
	switch {
	case n.Connected.IsZero():
		line("connected", "until %s", n.Disconnected.UTC().Format(time.RFC3339))
	case n.Disconnected.IsZero():
		line("connected", "since %s", n.Connected.UTC().Format(time.RFC3339))
	default:
		line("connected", "from %s to %s", n.Connected.UTC().Format(time.RFC3339), n.Disconnected.UTC().Format(time.RFC3339))
	}
	line("revision", "should have %s, acknowledged %s, %d bytes sent", entryName(n.Entry, n.Revision), entryName(n.AcknowledgedEntry, n.Acknowledged), n.Sent)
	if r := n.LastRefusal; r != nil {
		line("refused", "%s, %s: %s", r.Time.UTC().Format(time.RFC3339), path.Base(r.Type), r.Text)
		for _, suspect := range r.Suspects {
			line("", "%s %s", suspect.Name, suspect.Origin)
		}
	}
	switch {
	case s.DumpError != "":
		line("runs", "unknown: %s", s.DumpError)
	case len(s.Differences) == 0:
		line("runs", "what it was sent, by %s", s.Dump)
	default:
		line("runs", "%s from what it was sent, by %s", count(len(s.Differences), "difference"), s.Dump)
	}
	s.tables(w)
	return nil
}

// tables prints the types and the differences. A blank line begins new columns.
func (s *shown) tables(w io.Writer) {
	fmt.Fprintln(w, "\nTYPE\tWANTED\tACKNOWLEDGED\tREFUSED\tRESPONSES\tBYTES")
	for _, t := range s.Types {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", kindName(t.Type), t.Wanted, t.Acknowledged, t.Refused, t.Responses, t.Bytes)
	}
	if len(s.Differences) == 0 {
		return
	}
	fmt.Fprintln(w, "\nDIFFERS\tNAME\tSENT\tRUNS\tDOCUMENT")
	for _, d := range s.Differences {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", kindName(d.Type), d.Name, short(d.Sent), d.runs(), dash(d.Origin))
	}
}

// kindName is the last word of a type URL.
func kindName(url string) string { return url[strings.LastIndexByte(url, '.')+1:] }

// difference is a resource of which an Envoy runs something else than it was sent.
type difference struct {
	Type   string `json:"type"`
	Name   string `json:"name"`
	Sent   string `json:"sent,omitempty"` // Version; empty: it should have none.
	Runs   string `json:"runs,omitempty"` // Version, or "other" where the Envoy says none; empty: it has none.
	Origin string `json:"origin,omitempty"`
	Why    string `json:"why,omitempty"` // In the Envoy's words.
}

func (d difference) runs() string {
	if d.Why != "" {
		return short(d.Runs) + " (" + d.Why + ")"
	}
	return short(d.Runs)
}

// differences compares what a node should have with what its Envoy says that it runs.
func differences(resources []admin.Resource, running []envoy.Running) ([]difference, error) {
	type key struct{ kind, name string }
	runs := map[key]envoy.Running{}
	for _, r := range running {
		runs[key{r.Type, r.Name}] = r
	}
	found := []difference{}
	for _, sent := range resources {
		r, has := runs[key{sent.Type, sent.Name}]
		delete(runs, key{sent.Type, sent.Name})
		version := r.Version
		if has && r.Message != nil {
			same, err := shows(r.Message, sent)
			if err != nil {
				return nil, err
			}
			if version = "other"; same {
				version = sent.Version
			}
		}
		if version != sent.Version || r.Trouble != "" {
			found = append(found, difference{Type: sent.Type, Name: sent.Name, Sent: sent.Version, Runs: version, Origin: sent.Origin, Why: r.Trouble})
		}
	}
	for _, r := range running {
		if _, extra := runs[key{r.Type, r.Name}]; extra {
			found = append(found, difference{Type: r.Type, Name: r.Name, Runs: r.Version, Why: r.Trouble})
		}
	}
	return found, nil
}

// shows reports whether what an Envoy shows of a resource is what it was sent. It shows endpoints in a form of its own, of which
// nothing can be said.
func shows(m proto.Message, sent admin.Resource) (bool, error) {
	if sent.Fingerprint == "" {
		return true, nil
	}
	fingerprint, err := envoy.Fingerprint(m)
	return fingerprint == sent.Fingerprint, err
}

// oneNode is the argument check of verbs about one node.
func oneNode(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("write one node, such as edge/edge-1; gatehouse nodes lists them")
	}
	return nil
}
