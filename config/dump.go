package config

import "github.com/gatehouse/gatehouse/gateway"

// Dump writes the documents of a configuration (docs.Written, nothing else of docs) in their canonical form: files of
// documents by kind, and the files that the documents include, by their paths. Loading them again brings the same objects, and
// dumping these the same bytes. Secrets stand there as the references that were written; watched files, such as key sets
// and certificates, are not among the files.
func Dump(docs *gateway.Documents) map[string][]byte { return nil }
