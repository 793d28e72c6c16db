package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/config/convert"
)

// newConvert returns `gatehouse convert`.
func newConvert(env surroundings) *cobra.Command {
	c := &cobra.Command{
		Use:   "convert",
		Short: "Make documents of what other programs are configured with",
		Long: `Makes documents of configurations of others, and prints them. What cannot be carried over
is listed on the standard error, each with its file and line: nothing is dropped in
silence. Read that list, then "gatehouse validate" the documents.`,
		Args: unknownVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newConvertGatewayAPI(env), newConvertOpenAPI(env))
	return c
}

// newConvertGatewayAPI returns `gatehouse convert gateway-api`.
func newConvertGatewayAPI(env surroundings) *cobra.Command {
	return &cobra.Command{
		Use:   "gateway-api FILE...",
		Short: "Make documents of Gateways, HTTPRoutes and GRPCRoutes of the Kubernetes Gateway API",
		Long: `Makes documents of objects of the Kubernetes Gateway API, version 1. A Gateway keeps its
listeners' ports, hosts and names; each match of a rule becomes a Route, with
authenticate: none, as the Gateway API says nothing of who may call. Where a route attaches
to some listeners only, each listener gets a Gateway of its own, all of one fleet. Of two
equal matches the older is kept, as there; both are listed.`,
		Example: `  kubectl get gateways,httproutes,grpcroutes,referencegrants -A -o yaml > cluster.yaml
  gatehouse convert gateway-api cluster.yaml > documents/shop.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			var files []convert.File
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				files = append(files, convert.File{Name: name, Text: text})
			}
			result, err := convert.GatewayAPI(files)
			return printConverted(env, result, err)
		},
	}
}

// newConvertOpenAPI returns `gatehouse convert openapi`.
func newConvertOpenAPI(env surroundings) *cobra.Command {
	var o convert.OpenAPIOptions
	c := &cobra.Command{
		Use:   "openapi FILE",
		Short: "Make an API of an OpenAPI contract",
		Long: `Makes an API of an OpenAPI contract, 3.0 or 3.1, with an Upstream for its first server and
an Issuer for each of its OpenID Connect schemes. The contract stays where it is and lists
the operations; put the documents beside it.`,
		Example: `  gatehouse convert openapi payments.openapi.yaml > payments.yaml
  gatehouse convert openapi --gateway edge --name payments --version v1 payments.openapi.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, names []string) error {
			text, err := os.ReadFile(names[0])
			if err != nil {
				return err
			}
			result, err := convert.OpenAPI(convert.File{Name: names[0], Text: text}, o)
			return printConverted(env, result, err)
		},
	}
	c.Flags().StringVar(&o.Name, "name", "", "`NAME` of the API (default: by the contract's title)")
	c.Flags().StringVar(&o.Version, "version", "", "`VERSION` of the API (default: by the contract's)")
	c.Flags().StringVar(&o.Gateway, "gateway", "edge", "`GATEWAY` at which it is exposed")
	return c
}

// printConverted prints documents, and what is left.
func printConverted(env surroundings, result convert.Result, err error) error {
	if err != nil {
		return err
	}
	if _, err := env.stdout.Write(result.Documents); err != nil {
		return err
	}
	for _, l := range result.Left {
		fmt.Fprintln(env.stderr, l)
	}
	if n := len(result.Left); n > 0 {
		fmt.Fprintf(env.stderr, "%d to look at\n", n)
	}
	return nil
}
