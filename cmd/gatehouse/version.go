package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/version"
)

// newVersion returns `gatehouse version`.
func newVersion(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Tell which build this is, and for which Envoy",
		Example: `  gatehouse version
  gatehouse version -o json`,
		Args: noWords,
	}
	format := newFormat(c)
	c.RunE = func(*cobra.Command, []string) error {
		build := struct {
			version.Build
			Envoy string `json:"envoy"` // The version of Envoy that this build is tested with.
		}{version.Read(), envoy.Version()}
		return format.write(env.stdout, build, func(w io.Writer) error {
			fmt.Fprintf(w, "gatehouse\t%s\n", build.Version)
			fmt.Fprintf(w, "commit\t%s\n", build.Commit)
			fmt.Fprintf(w, "date\t%s\n", build.Date)
			fmt.Fprintf(w, "go\t%s\n", build.Go)
			fmt.Fprintf(w, "envoy\t%s\n", build.Envoy)
			return nil
		})
	}
	return c
}
