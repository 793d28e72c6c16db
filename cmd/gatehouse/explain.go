package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/server"
)

// explainOptions are what `gatehouse explain` is told.
type explainOptions struct {
	env     surroundings
	daemon  daemon
	dir     string
	fleet   string
	headers []string
	method  string
	url     string
	format  *choice
}

// newExplain returns `gatehouse explain`.
func newExplain(env surroundings) *cobra.Command {
	o := explainOptions{env: env}
	c := &cobra.Command{
		Use:   "explain METHOD URL",
		Short: "Tell which way a request takes, and why",
		Long: `Tells which listener, virtual host and route take a request, which filters and calls to
Gatehouse it passes, which upstream gets it, and why; or why nothing takes it. The running
daemon is asked, or with --dir a directory of documents. No request is sent.`,
		Example: `  gatehouse explain GET http://127.0.0.1:8080/payments/alice --dir examples/quickstart
  gatehouse explain POST http://api.bank.test/payments/alice -H x-tier:gold`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("write a method and a URL, such as GET http://127.0.0.1:8080/payments/alice")
			}
			return nil
		},
	}
	o.format = newFormat(c)
	f := c.Flags()
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header of the request as `NAME:VALUE`; may be repeated")
	f.StringVar(&o.dir, "dir", "", "`DIRECTORY` of documents to ask instead of the daemon")
	f.StringVar(&o.fleet, "fleet", "", "only this `FLEET` (default: the first that serves the request)")
	orEnvironment(f, "fleet", "GATEHOUSE_FLEET")
	o.daemon.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.method, o.url = strings.ToUpper(args[0]), args[1]
		return o.run(c.Context())
	}
	return c
}

func (o *explainOptions) run(ctx context.Context) error {
	query := admin.Query{Method: o.method, URL: o.url, Headers: http.Header{}, Fleet: o.fleet}
	for _, h := range o.headers {
		name, value, ok := strings.Cut(h, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return usageError{fmt.Errorf("the header %q is not written as NAME:VALUE", h)}
		}
		query.Headers.Add(name, strings.TrimSpace(value))
	}
	answer, err := o.ask(ctx, query)
	if err != nil {
		return err
	}
	return o.format.write(o.env.stdout, answer, func(w io.Writer) error {
		table(w, &answer)
		return nil
	})
}

// ask gets the answer from a directory or from the daemon.
func (o *explainOptions) ask(ctx context.Context, query admin.Query) (admin.Answer, error) {
	if o.dir != "" {
		checked, err := o.env.check(o.dir)
		if err != nil {
			return admin.Answer{}, err
		}
		return server.Explain(checked.Revision, query)
	}
	client, err := o.daemon.dial(o.env)
	if err != nil {
		return admin.Answer{}, err
	}
	answer, err := client.Explain(ctx, query)
	return answer, away(err)
}

// table writes an answer for people, one thing to a line.
func table(w io.Writer, a *admin.Answer) {
	line := func(name, format string, values ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, values...))
	}
	line("action", "%s", a.Action)
	line("why", "%s", a.Why)
	if a.Listener != "" {
		line("listener", "%s of gateway %s, fleet %s", a.Listener, a.Gateway, a.Fleet)
		for _, text := range a.Listens {
			line("", "%s", text)
		}
		line("virtual host", "%s", a.VirtualHost)
	}
	if a.Route != "" {
		line("route", "%s, from %s", a.Route, a.Origin)
		line("filters", "%s", strings.Join(a.Filters, ", "))
		line("hops", "%d", len(a.Hops))
	}
	for _, h := range a.Hops {
		line("", "%s: %s", h.Service, h.Why)
	}
	acts(a, line)
	if a.Rules != "" {
		line("rules", "%s", a.Rules)
	}
	considered := "passed over"
	if a.Route == "" {
		considered = "nearest"
	}
	for _, r := range a.Rejected {
		line(considered, "%s: %s", r.Route, r.Why)
	}
}

// acts writes what becomes of the request: who judges and counts it, what is changed, and where it goes.
func acts(a *admin.Answer, line func(name, format string, values ...any)) {
	if len(a.Upgrades) > 0 {
		line("upgrades", "%s", strings.Join(a.Upgrades, ", "))
	}
	for _, p := range a.Policies {
		line("policy", "%s", judged(p))
	}
	for _, s := range a.Traffic {
		line(s.What, "%s", s.How)
	}
	for _, l := range a.Limits {
		line("limit", "%s: %s, %s", l.Limit, strings.Join(l.Windows, "; "), l.Counts)
		line("", "spent %s", l.Spent)
		line("", "%s", l.Away)
	}
	for _, u := range a.Upstreams {
		line("upstream", "%s, weight %d: %s", u.Name, u.Weight, strings.Join(u.Endpoints, ", "))
		for _, setting := range u.Settings {
			line("", "%s", setting)
		}
	}
	for _, told := range [][2]string{
		{"path", a.Path},
		{"host", a.Host},
		{"split by", a.Split},
		{"mirror", strings.Join(a.Mirrors, ", ")},
		{"location", a.Location},
		{"body", a.Body},
		{"pages", strings.Join(a.Pages, ", ")},
	} {
		if told[1] != "" {
			line(told[0], "%s", told[1])
		}
	}
}
