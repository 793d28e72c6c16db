package config

import (
	"strings"

	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/gateway"
)

type policyDocument struct {
	header      `yaml:",inline"`
	File        filePath            `yaml:"file" doc:"The file that holds the Rego."`
	Rego        *regoText           `yaml:"rego" doc:"The Rego itself."`
	Bundle      name                `yaml:"bundle" doc:"A Bundle whose modules and data the policy sees. Without Rego of its own the rule that decides is the bundle's, and entry names it."`
	Entry       entry               `yaml:"entry" doc:"The rule that decides, such as bank/payments/allow. The rule allow of the module's package where not said."`
	With        map[string]any      `yaml:"with" doc:"Parameters, input.gatehouse.parameters in Rego."`
	Data        map[string]any      `yaml:"data" doc:"What the module sees as data."`
	DataFiles   map[string]filePath `yaml:"data-files" doc:"Files of JSON or YAML that the module sees as data too, each below its name: accounts becomes data.accounts, bank.accounts becomes data.bank.accounts."`
	Imports     []name              `yaml:"imports" order:"none" doc:"Other Policies whose modules and data this one sees."`
	Limit       duration            `yaml:"limit" jsonschema:"default=10ms" doc:"How long one evaluation may take, from 1ms to 10s."`
	Hosts       []hostPort          `yaml:"hosts" order:"none" doc:"Hosts that http.send may ask. It may not be used where none is listed."`
	Descriptors filePath            `yaml:"descriptors" doc:"A file with a FileDescriptorSet (protoc --descriptor_set_out --include_imports), by which bodies of gRPC calls are read."`
	Shared      bool                `yaml:"shared" jsonschema:"default=false" doc:"Whether APIs of other teams may apply it. What has no team is free to all."`
	Locked      bool                `yaml:"locked" jsonschema:"default=false" doc:"Whether only the platform may change or delete it. A locked Policy has no team."`
}

func (d *policyDocument) add(o *object, docs *gateway.Documents) {
	p := &gateway.Policy{
		Name: string(d.Name), Bundle: string(d.Bundle), Entry: string(d.Entry), With: d.With, Data: d.Data,
		Team: d.Team, Shared: d.Shared, Locked: d.Locked, Origin: o.origin(),
	}
	if d.Locked && d.Team != "" {
		o.fault(gateway.CodeConflict, "locked", "a locked Policy belongs to the platform, not to team %s: remove team, or locked", d.Team)
	}
	if strings.HasPrefix(p.Name, libraryPrefix) {
		o.fault(gateway.CodeBadValue, "name", "names that begin with %q are those of the policies that ship with Gatehouse: write another", libraryPrefix)
	}
	switch {
	case d.File != "" && d.Rego != nil:
		o.fault(gateway.CodeConflict, "rego", "file and rego exclude one another: keep one")
	case d.File != "":
		if text, file, ok := o.load.include(o, "file", string(d.File)); ok {
			p.Source, p.File, p.Line = string(text), file, 1
		}
	case d.Rego != nil:
		p.Source, p.File, p.Line = d.Rego.text, o.file, d.Rego.line
	case d.Bundle != "" && d.Entry == "" && !o.blamed("entry"):
		o.fault(gateway.CodeMissingField, "entry", "the Policy %s has no Rego of its own, so that entry must name the rule of the bundle that decides: write it, as in entry: bank/payments/allow", d.Name)
	case d.Bundle != "":
	case !o.blamed("file") && !o.blamed("rego"):
		o.fault(gateway.CodeMissingField, "", "the Policy %s has no Rego: write file: and its path, or rego:", d.Name)
	}
	if d.Bundle != "" && len(d.Imports)+len(d.DataFiles)+len(d.Hosts) > 0 {
		o.fault(gateway.CodeConflict, "bundle", "bundle excludes imports, data-files and hosts: keep one")
	}
	d.engine(o, p)
	if o.sound(docs) {
		docs.Policies = append(docs.Policies, p)
	}
}

// regoText is Rego inside a document, and the line on which it begins.
type regoText struct {
	text string
	line int
}

func (v *regoText) decode(d *decoder, n *yaml.Node, at *field, _ *rule) {
	text, ok := d.text(n, at)
	if !ok {
		return
	}
	v.text, v.line = text, n.Line
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		v.line++ // The text begins below the "|".
	}
}

func (regoText) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", MinLength: new(uint64(1))}
}
