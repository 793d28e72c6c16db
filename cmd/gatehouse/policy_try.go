package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server"
)

// tryOptions are what the verbs are told that try a request on the policies of a directory.
type tryOptions struct {
	env     surroundings
	dir     string
	beside  beside
	request string
	claims  string
	format  *choice
}

func (o *tryOptions) add(c *cobra.Command) {
	o.format = newFormat(c)
	o.beside.add(c)
	c.Flags().StringVarP(&o.request, "request", "r", "", "`FILE` with the request (- for the standard input): as HTTP/1.1 has it, a CheckRequest or an input document as JSON")
	c.Flags().StringVar(&o.claims, "claims", "", "`FILE` with the claims of the caller's token, as JSON")
	_ = c.MarkFlagRequired("request") // The flag is there.
}

// policyTried is what came of a request.
type policyTried struct {
	Route   string        `json:"route"`
	Allowed bool          `json:"allowed"`
	Trials  []authz.Trial `json:"policies"`
}

// newPolicyEval returns `gatehouse policy eval`.
func newPolicyEval(env surroundings) *cobra.Command {
	o := tryOptions{env: env}
	c := &cobra.Command{
		Use:   "eval DIR",
		Short: "Say what policies decide about a request",
		Long: `Finds the route that a request takes by a directory of documents, and asks each of its policies.
Who calls is not verified: --claims says it. Exit codes: 0 allowed, 2 refused, 1 failed.`,
		Example: `  gatehouse policy eval examples/quickstart --request request.http --claims alice.json`,
		Args:    oneDirectory,
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run(c.Context(), false)
	}
	return c
}

// newPolicyExplain returns `gatehouse policy explain`.
func newPolicyExplain(env surroundings) *cobra.Command {
	o := tryOptions{env: env}
	c := &cobra.Command{
		Use:   "explain DIR",
		Short: "Say which rule decided about a request, and why others did not",
		Long: `Does what "gatehouse policy eval" does, and shows each rule that was asked: + where it holds,
- where it does not, with the expression at which it went no further and what its parts were.`,
		Example: `  gatehouse policy explain examples/quickstart --request request.http --claims alice.json`,
		Args:    oneDirectory,
	}
	o.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		return o.run(c.Context(), true)
	}
	return c
}

func (o *tryOptions) run(ctx context.Context, trace bool) error {
	bench, route, file, err := o.prepare()
	if err != nil {
		return err
	}
	out := policyTried{Route: route.Name}
	if out.Trials, err = bench.Try(ctx, route, file, trace); err != nil {
		return err
	}
	out.Allowed = !slices.ContainsFunc(out.Trials, func(t authz.Trial) bool {
		return t.Mode == gateway.Enforce && t.Result != authz.Allowed.String()
	})
	if err := o.format.write(o.env.stdout, out, func(w io.Writer) error { showTried(w, out); return nil }); err != nil {
		return err
	}
	if !out.Allowed {
		return changesError{}
	}
	return nil
}

// prepare reads the request and finds its route.
func (o *tryOptions) prepare() (*server.Bench, *gateway.Route, *authz.RequestFile, error) {
	work, err := o.beside.work(o.dir)
	if err != nil {
		return nil, nil, nil, err
	}
	bench, faults := work.Bench(o.env.lookup)
	if len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintln(o.env.stderr, f.Error())
		}
		return nil, nil, nil, fmt.Errorf("%s: %s: correct these first", o.dir, count(len(faults), "fault"))
	}
	file, err := o.read()
	if err != nil {
		return nil, nil, nil, err
	}
	route, err := bench.Find(file)
	return bench, route, file, err
}

func (o *tryOptions) read() (*authz.RequestFile, error) {
	var text []byte
	var err error
	if o.request == "-" {
		text, err = io.ReadAll(o.env.stdin)
	} else {
		text, err = os.ReadFile(o.request)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	file, err := authz.ReadRequestFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.request, err)
	}
	if o.claims == "" {
		return file, nil
	}
	text, err = os.ReadFile(o.claims)
	if err != nil {
		return nil, fmt.Errorf("read the claims: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil || claims == nil {
		return nil, fmt.Errorf("%s: the claims are no JSON object: %w", o.claims, errors.Join(err))
	}
	return file, file.Claims(claims)
}

// showTried writes what came of a request for people.
func showTried(w io.Writer, t policyTried) {
	verdict := "allowed"
	if !t.Allowed {
		verdict = "refused"
	}
	fmt.Fprintf(w, "%s: %s\n", t.Route, verdict)
	if len(t.Trials) == 0 {
		fmt.Fprintln(w, "no policy is applied")
	}
	for _, p := range t.Trials {
		fmt.Fprintln(w, trialLine(p))
		for _, s := range p.Steps {
			showStep(w, s)
		}
	}
}

// trialLine says in a line what a policy decided.
func trialLine(p authz.Trial) string {
	text := fmt.Sprintf("policy %s: %s", p.Policy, p.Result)
	if p.Reason != "" {
		text += ", " + p.Reason
	}
	if p.Status != 0 {
		text += fmt.Sprintf(", status %d", p.Status)
	}
	if p.Error != "" {
		text += ": " + p.Error
	}
	if p.Mode != gateway.Enforce {
		text += fmt.Sprintf(" (%s: it does not count)", p.Mode)
	}
	if p.Native {
		text += " (Envoy decides it by itself)"
	}
	return text
}

func showStep(w io.Writer, s authz.Step) {
	sign := "-"
	if s.Holds {
		sign = "+"
	}
	indent := strings.Repeat("  ", s.Depth+1)
	fmt.Fprintf(w, "%s%s %s: %s\n", indent, sign, s.Place, s.Rule)
	if s.Failed == "" {
		return
	}
	fmt.Fprintf(w, "%s    line %d does not hold: %s\n", indent, s.At, s.Failed)
	names := make([]string, 0, len(s.Values))
	for name := range s.Values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "%s    %s is %s\n", indent, name, s.Values[name])
	}
}

// newPolicyBench returns `gatehouse policy bench`.
func newPolicyBench(env surroundings) *cobra.Command {
	o := tryOptions{env: env}
	length := time.Second
	c := &cobra.Command{
		Use:   "bench DIR",
		Short: "Measure how fast a request is decided",
		Long: `Decides a request again and again, one decision after the other, as the daemon would, without Envoy
and without the way between the two.`,
		Example: `  gatehouse policy bench examples/quickstart --request request.http --claims alice.json`,
		Args:    oneDirectory,
	}
	o.add(c)
	c.Flags().DurationVar(&length, "time", length, "for how long")
	c.RunE = func(c *cobra.Command, args []string) error {
		o.dir = args[0]
		bench, route, file, err := o.prepare()
		if err != nil {
			return err
		}
		if length <= 0 || length > time.Minute {
			return usageError{errors.New("--time is more than nothing, and a minute at most")}
		}
		found, err := bench.Measure(c.Context(), route, file, length)
		if err != nil {
			return err
		}
		if found.Status == 401 {
			fmt.Fprintln(o.env.stderr, "the caller is nobody whom the route takes, so that no policy was asked: say by --claims who calls, with the iss of its Issuer")
		}
		return o.format.write(o.env.stdout, found, func(w io.Writer) error {
			fmt.Fprintf(w, "route\t%s\nstatus\t%d\ndecisions\t%d\nmean\t%s\nhalf within\t%s\n99 of 100 within\t%s\nallocations\t%d\nbytes\t%d\n",
				route.Name, found.Status, found.Decisions, found.Mean, found.P50, found.P99, found.Allocated, found.Bytes)
			return nil
		})
	}
	return c
}
