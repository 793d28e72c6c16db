package server

import (
	"context"
	"fmt"
	"maps"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/xds"
)

// files is where what is observed is read.
type files struct {
	observed.Certificates
	Learnt *gateway.Observed // Endpoints and key sets; nil: none.
	// Tolerant says that a certificate that cannot be used is shown and left out instead of standing against everything: at a
	// start nothing is served yet, and the other hosts must be.
	Tolerant bool
}

// observe reads what the certificates of a revision hold now. A file that cannot be used is a fault, unless its certificate
// has a pair in use already: that stays then, and the fault is among those that are only shown.
func observe(rev *gateway.Revision, from files, before *compiled) (now *gateway.Observed, kept, faults gateway.Faults) {
	fresh, found := from.Read(rev.Certificates)
	used := map[string]gateway.KeyPair{}
	if before.observed != nil {
		for _, c := range rev.Certificates {
			p, ok := before.observed.Certificates[c.Name]
			if paths := from.Files([]*gateway.Certificate{c}); ok && p.ChainFile == paths[0] && p.KeyFile == paths[1] {
				used[c.Name] = p
			}
		}
	}
	for _, f := range found {
		if _, ok := used[f.Object.Name]; ok {
			kept = append(kept, f)
			if p, read := fresh[f.Object.Name]; read && !p.Same(used[f.Object.Name]) {
				delete(fresh, f.Object.Name) // It is not valid now, which the one in use may be.
			}
		} else {
			faults = append(faults, f)
		}
	}
	if from.Tolerant {
		kept, faults = append(kept, faults...), nil
	}
	pairs, refused := gateway.Replace(rev, used, fresh)
	kept = append(kept, refused...).Sort()
	now = &gateway.Observed{Certificates: pairs}
	if from.Learnt != nil {
		now.Endpoints, now.KeySets = from.Learnt.Endpoints, from.Learnt.KeySets
	}
	for _, u := range rev.Upstreams {
		if !u.TLS.TrustsSystem() {
			continue
		}
		var ok bool
		if now.Roots, ok = observed.Roots(); !ok {
			faults = append(faults, gateway.Fault{
				Code: gateway.CodeFile, Place: u.Origin.At("tls"), Field: "tls", Object: gateway.Ref{Kind: gateway.KindUpstream, Name: u.Name}, Team: u.Team,
				Message: "this system has no file of authorities that it trusts: write tls: {ca: FILE}",
			})
		}
		break
	}
	return now, kept, append(faults, gateway.CheckCoverage(rev, pairs)...)
}

// sources is where what is observed now is read.
func (s *Server) sources() files {
	return files{
		Certificates: observed.Certificates{Dir: s.options.Config, Now: s.options.Now},
		Learnt:       s.observed.Now(),
		Tolerant:     s.live.Load().compiled == nil,
	}
}

// tolerant is the same for what was served before: a certificate that has expired since takes nothing but itself away.
func (s *Server) tolerant() files {
	from := s.sources()
	from.Tolerant = true
	return from
}

// usedFiles returns the files of certificates of all that some node has or is to have.
func (s *Server) usedFiles() []string {
	var paths []string
	for _, e := range s.entries.all() {
		paths = append(paths, s.sources().Files(e.revision.Certificates)...)
	}
	return paths
}

// follow watches the files of the revision in use, until ctx ends, and takes over what they hold whenever that changed.
func (s *Server) follow(ctx context.Context) error {
	watch, err := observed.WatchFiles(ctx, s.log)
	if err != nil {
		return fmt.Errorf("watch certificates: %w", err)
	}
	s.files.Store(watch)
	watch.Follow(s.usedFiles())
	s.tasks.Go(func() {
		s.refresh()
		for range watch.Changed() {
			s.refresh()
		}
	})
	return nil
}

// followAlso watches the files of certificates that are about to be read, beside those in use: what changes while they are
// read is told of then.
func (s *Server) followAlso(list []*gateway.Certificate) {
	watch := s.files.Load()
	if watch == nil {
		return // Not started; the first refresh reads what changes until then.
	}
	watch.Follow(append(s.sources().Files(list), s.usedFiles()...))
}

// refresh takes over what is observed, for each entry that some node has or is to have. There is no new revision: the Envoys get
// other secrets alone.
func (s *Server) refresh() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.observeEach(s.observeAgain)
}

// observeAgain returns a configuration with what is observed now, and whether Envoys get anything else by it; nil where it
// observes nothing, or what it observes cannot be used.
func (s *Server) observeAgain(before *compiled) (*compiled, bool) {
	if len(before.revision.Certificates) == 0 {
		return nil, false
	}
	from := s.sources()
	from.Learnt = s.learnt(before)
	now, kept, faults := observe(before.revision, from, before)
	next := *before
	next.observed, next.kept = now, append(kept, faults...).Sort()
	changed := s.logObserved(before, &next)
	if changed {
		table, found := xds.Compile(next.revision, now, before.xds)
		if len(found) > 0 { // What was compiled once before can be said to Envoy.
			s.log.Error("what was observed cannot be used", "faults", gateway.Faults(found).Error())
			return nil, false
		}
		next.xds = table
	}
	return &next, changed
}

// logObserved tells of each certificate that changed, and of each that has a new fault. It reports whether any changed.
func (s *Server) logObserved(before, next *compiled) bool {
	s.logKept(before, next)
	if maps.EqualFunc(before.observed.Certificates, next.observed.Certificates, gateway.KeyPair.Same) {
		return false
	}
	for name, p := range next.observed.Certificates {
		if !p.Same(before.observed.Certificates[name]) {
			s.log.Info("certificate replaced", "certificate", name, "hosts", p.Hosts, "until", p.Until)
		}
	}
	return true
}

// logKept tells of faults of what was observed, each once as long as it stays.
func (s *Server) logKept(before, next *compiled) {
	for _, f := range next.kept {
		if before == nil || !hasFault(before.kept, f) {
			s.log.Error("fault, what was read before stays in use", "code", string(f.Code), "place", f.Place.String(),
				"object", f.Object.String(), "message", f.Message)
		}
	}
}

func hasFault(list gateway.Faults, f gateway.Fault) bool {
	for _, other := range list {
		if other.Code == f.Code && other.Place == f.Place && other.Message == f.Message {
			return true
		}
	}
	return false
}
