package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/gateway"
)

// newAPI returns `gatehouse api` with its verbs.
func newAPI(env surroundings) *cobra.Command {
	k := apiKind(env)
	c := &cobra.Command{
		Use:   "api",
		Short: "List, change and remove single APIs",
		Long: `Works on single APIs of the live configuration, each named as NAME/VERSION. Each change is
planned, printed and applied as one entry of the history. An API of a directory is changed
with --save DIR, which writes the change into the document there and keeps comments and
order, or is taken from it with --take-over.`,
		Example: `  gatehouse api list
  gatehouse api set payments/v1 stage=deprecated --save documents`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(k.newList(), k.newGet(), k.newSet(), k.newRemove())
	return c
}

func apiKind(env surroundings) objectKind {
	return objectKind{
		env: env, kind: gateway.KindAPI, verb: "api", example: "payments/v1", set: "stage=deprecated",
		header: "NAME\tSTAGE\tTEAM\tGATEWAY\tHOSTS\tBASE\tTO",
		row: func(d *document) string {
			stage := textOf(d.fields["stage"])
			if stage == "" {
				stage = string(gateway.Published)
			}
			return strings.Join([]string{
				objectName(d.ref), stage, dash(textOf(d.fields["team"])), exposed(d, "gateway"), exposed(d, "hosts"),
				exposed(d, "base"), destinationsText(d.fields["to"]),
			}, "\t")
		},
	}
}
