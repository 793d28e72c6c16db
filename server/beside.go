package server

import (
	"time"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
)

// Work is a directory of documents that somebody works on, with what others have beside it.
type Work struct {
	Dir    string
	Beside []config.Source // What the documents in Dir may refer to, each with a name; none: Dir is all.
}

// Check compiles documents as serve would, for all services, touching nothing. It reports every fault; those of what lies
// beside have its name as their place's source. Checked is nil if there is any.
func (w Work) Check(lookup func(string) (string, bool)) (*Checked, gateway.Faults) {
	next, faults := w.compile(lookup)
	if len(faults) > 0 {
		return nil, faults.Sort()
	}
	return &Checked{Revision: next.revision, Fleets: next.xds.Fleets}, nil
}

// compile loads and compiles all there is.
func (w Work) compile(lookup func(string) (string, bool)) (*compiled, gateway.Faults) {
	var docs *gateway.Documents
	var faults gateway.Faults
	if len(w.Beside) == 0 {
		docs, faults = config.Load(w.Dir, config.Options{LookupEnv: lookup})
	} else {
		all := append([]config.Source{{Dir: w.Dir}}, w.Beside...)
		docs, faults = config.LoadSources(all, "", config.Options{LookupEnv: lookup})
	}
	next, found := compile(docs, files{Certificates: observed.Certificates{Dir: w.Dir, Now: time.Now}}, nil)
	return next, append(append(faults, docs.Watched...), found...)
}
