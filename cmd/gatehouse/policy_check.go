package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// policyCheckOptions are what `gatehouse policy check` is told.
type policyCheckOptions struct {
	env    surroundings
	format *choice
}

// newPolicyCheck returns `gatehouse policy check`.
func newPolicyCheck(env surroundings) *cobra.Command {
	o := policyCheckOptions{env: env}
	c := &cobra.Command{
		Use:   "check DIR",
		Short: "Say what could bite in policies",
		Long: `Looks over the Policies of a directory of documents, or all Rego in a directory without
documents, by OPA's strict mode and by what is known to bite:

  RG00  it does not compile, or uses what policies may not
  RG01  what strict mode refuses: variables and imports that nothing uses
  RG02  the deciding rule has no default
  RG03  a glob that is compiled for each request
  RG04  a status that Envoy does not know, and answers 403 in its place
  RG05  nothing of the request is read
  RG06  a part of input that no request has

Exit codes: 0 nothing, 2 something, 1 it does not compile.`,
		Example: `  gatehouse policy check examples/quickstart`,
		Args:    oneDirectory,
	}
	o.format = newFormat(c)
	c.RunE = func(_ *cobra.Command, args []string) error { return o.run(args[0]) }
	return c
}

func (o *policyCheckOptions) run(dir string) error {
	policies, err := policiesOf(dir)
	if err != nil {
		return err
	}
	data := struct {
		Remarks []authz.Remark `json:"remarks"`
	}{[]authz.Remark{}}
	faulty := false
	for _, p := range policies {
		for _, r := range authz.Examine(p) {
			r.Place.File = filepath.Join(dir, filepath.FromSlash(r.Place.File))
			faulty = faulty || r.Code == authz.RemarkFault
			data.Remarks = append(data.Remarks, r)
		}
	}
	err = o.format.write(o.env.stdout, data, func(w io.Writer) error {
		for _, r := range data.Remarks {
			fmt.Fprintf(w, "%s: %s: %s\n", r.Place, r.Code, r.Message)
		}
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(o.env.stderr, "%s: %s, %s\n", dir, count(len(policies), "policy"), count(len(data.Remarks), "remark"))
	switch {
	case faulty:
		return silentError{}
	case len(data.Remarks) > 0:
		return changesError{}
	}
	return nil
}

// policiesOf returns the Policies of a directory of documents; where there are none, each file of Rego that is no test is one.
func policiesOf(dir string) ([]*gateway.Policy, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("the directory %s cannot be read: %w", dir, err)
	}
	defer root.Close()
	docs, _ := config.Load(dir, config.Options{}) // Faults of other documents are for validate.
	if len(docs.Policies) > 0 {
		return docs.Policies, nil
	}
	var found []*gateway.Policy
	err = fs.WalkDir(root.FS(), ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".rego") || strings.HasSuffix(file, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(root.FS(), file)
		if err == nil {
			found = append(found, &gateway.Policy{Name: strings.TrimSuffix(file, ".rego"), Source: string(text), File: file, Line: 1})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the Rego of %s: %w", dir, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no policy in %s: neither a document of kind Policy nor a file of Rego", dir)
	}
	return found, nil
}
