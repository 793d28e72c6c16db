// Package config reads a directory of documents into the model.
//
// In: YAML documents, the OpenAPI contracts, Rego files and key sets that they name, and a function that looks up
// environment variables for secrets. Out: gateway.Documents, whose names are not resolved yet, and a gateway.Fault for
// everything that is wrong, all found in one pass. It also writes the documents' JSON Schema, watches a directory for
// changes, and works on documents themselves: Dump writes them in their canonical form, Diff compares them by what they mean,
// Edited changes their text. What files there are, how they are cut and in which order, makes no difference to what comes out.
package config

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/gatehouse/gatehouse/gateway"
)

// Options are what Load needs beside the documents.
type Options struct {
	// LookupEnv resolves `env:` secrets. nil leaves them unresolved, which is no fault then.
	LookupEnv func(name string) (value string, ok bool)
	// Memory is what the same directory became when it was loaded before; it takes in what it becomes now. nil: all is read.
	Memory *Memory
}

// Load reads a directory. Everything that is wrong, be it with the directory itself, is a fault: its File is relative to
// the directory and slash-separated. Objects with faults are left out and named in Broken; only an API stays, marked
// Faulty, with what could be read of it.
func Load(dir string, opts Options) (*gateway.Documents, gateway.Faults) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		l := newLoader(nil, opts)
		l.report(gateway.Fault{
			Code: gateway.CodeFile, Place: gateway.Place{File: "."},
			Message: fmt.Sprintf("the directory %s cannot be read: %s", dir, reason(err)),
		})
		return l.docs, l.faults
	}
	defer root.Close()
	return LoadFS(root.FS(), opts)
}

// LoadFS is Load for a file system, which must not lead outside itself.
func LoadFS(fsys fs.FS, opts Options) (*gateway.Documents, gateway.Faults) {
	docs, faults := newLoader(fsys, opts).load()
	docs.Library = opts.library()
	return docs, faults
}
