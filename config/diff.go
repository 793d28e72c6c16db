package config

import "github.com/gatehouse/gatehouse/gateway"

// Diff tells what changes from one configuration to another by what the documents mean: deleted objects first, then changed
// ones, then added ones, each in order of kind, name and version. nil stands for no configuration. The order of documents, fields
// and files, comments, shorthands and defaults that are written out make no difference.
func Diff(before, after *gateway.Documents) []gateway.Change { return nil }
