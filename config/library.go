package config

import (
	"io/fs"
	"path"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/policies"
)

// libraryPrefix begins the names of the policies that ship with Gatehouse. No document can take such a name.
const libraryPrefix = "gatehouse."

// library returns the policies that ship with Gatehouse, the same values each time where there is a memory.
func (o Options) library() []*gateway.Policy {
	if o.Memory == nil {
		return shipped()
	}
	if o.Memory.library == nil {
		o.Memory.library = shipped()
	}
	return o.Memory.library
}

// shipped reads the policies that ship with Gatehouse.
func shipped() []*gateway.Policy {
	files, err := fs.Glob(policies.Files, "library/*.rego")
	if err != nil { // The pattern is good.
		return nil
	}
	var out []*gateway.Policy
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".rego")
		text, err := fs.ReadFile(policies.Files, file)
		if err != nil || strings.HasSuffix(name, "_test") {
			continue
		}
		out = append(out, &gateway.Policy{
			Name: libraryPrefix + strings.ReplaceAll(name, "_", "-"), Source: string(text), File: "gatehouse/" + path.Base(file), Line: 1,
			Shared: true, Locked: true,
		})
	}
	return out
}
