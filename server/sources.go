package server

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// proposed are the sources of a configuration with somebody's proposal in it.
type proposed struct {
	all  []config.Source
	own  config.Source // The one that is proposed to.
	kept []gateway.Ref // Objects of it that its new files do not have.
}

// bench is what a proposal is worked out on: what is in use, and how to read files.
type bench struct {
	documents *gateway.Documents // In use.
	sources   []config.Source    // In use.
	load      func([]config.Source) (*gateway.Documents, gateway.Faults)
	caller    admin.Caller
}

// propose puts a proposal into the sources in use. What is refused is an error that wraps admin.ErrRefused, or faults.
func (b *bench) propose(p admin.Proposal) (*proposed, gateway.Faults, error) {
	if err := config.CheckSourceName(p.Source); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", admin.ErrRefused, err)
	}
	if len(p.Edits) > 0 && len(p.Files) > 0 {
		return nil, nil, fmt.Errorf("%w: a change is files or edits, not both", admin.ErrRefused)
	}
	if len(p.Edits) == 0 && len(p.Files) == 0 && !p.Prune {
		return nil, nil, fmt.Errorf("%w: there is nothing to apply: the directory has no files", admin.ErrRefused)
	}
	own, err := b.own(p.Source)
	if err != nil {
		return nil, nil, err
	}
	out := &proposed{own: own}
	others := slices.DeleteFunc(slices.Clone(b.sources), func(s config.Source) bool { return s.Name == own.Name })
	var faults gateway.Faults
	if len(p.Edits) > 0 {
		others, faults = b.edit(out, others, p)
	} else {
		others, faults = b.replace(out, others, p)
	}
	if len(faults) > 0 {
		return nil, faults.Sort(), nil
	}
	out.all = append(others, out.own)
	return out, nil, nil
}

// own returns a source as it is in use, or an empty one. A member's source is bound to the member's team from the beginning.
func (b *bench) own(name string) (config.Source, error) {
	member := b.caller.Role == admin.Member
	for _, s := range b.sources {
		if s.Name != name {
			continue
		}
		if member && s.Team != b.caller.Team {
			return s, fmt.Errorf("%w: the source %s belongs to %s, not to team %s", admin.ErrRefused, name, ownerOf(s), b.caller.Team)
		}
		return s, nil
	}
	s := config.Source{Name: name}
	if member {
		s.Team = b.caller.Team
	}
	return s, nil
}

func ownerOf(s config.Source) string {
	if s.Team == "" {
		return "the platform"
	}
	return "team " + s.Team
}

// replace puts the files of a directory in the place of a source's.
func (b *bench) replace(out *proposed, others []config.Source, p admin.Proposal) ([]config.Source, gateway.Faults) {
	before := out.own.Files
	out.own.Files = p.Files
	if faults := out.own.Check(); len(faults) > 0 {
		return nil, faults
	}
	docs, _ := b.load([]config.Source{out.own}) // Its faults are found again in the whole.
	objects := config.Objects(docs)
	if !p.Prune {
		for ref, at := range config.Objects(b.documents) {
			if _, has := objects[ref]; !has && at.Source == out.own.Name {
				out.kept = append(out.kept, ref)
			}
		}
		slices.SortFunc(out.kept, compareRefs)
		out.own.Files = config.Keep(p.Files, before, out.kept)
	}
	return b.take(others, objects, p.TakeOver)
}

// take takes objects out of the sources that have them, by text; without leave to do so each of them is a fault.
func (b *bench) take(others []config.Source, objects map[gateway.Ref]gateway.Origin, leave bool) ([]config.Source, gateway.Faults) {
	var faults gateway.Faults
	taken := map[string][]gateway.Ref{}
	for ref, at := range config.Objects(b.documents) {
		i := slices.IndexFunc(others, func(s config.Source) bool { return s.Name == at.Source })
		mine, wanted := objects[ref]
		if i < 0 || !wanted {
			continue
		}
		if why := b.unmoved(others[i], at, leave); why != "" {
			place := mine.At("name")
			if place.File == "" {
				place = at.At("name")
			}
			faults = append(faults, gateway.Fault{Code: gateway.CodeForeignSource, Place: place, Field: "name", Object: ref, Message: ref.String() + " " + why})
			continue
		}
		taken[at.Source] = append(taken[at.Source], ref)
	}
	others = slices.Clone(others)
	for i, s := range others {
		if refs := taken[s.Name]; len(refs) > 0 {
			others[i].Files = config.Without(s.Files, refs)
		}
	}
	return others, faults
}

// unmoved tells why an object stays in the source that it is in; "" where it does not.
func (b *bench) unmoved(s config.Source, at gateway.Origin, leave bool) string {
	switch {
	case s.Name == "":
		return fmt.Sprintf("stands in the directory that the daemon watches, in %s: change it there, or remove it there first", at.At("name"))
	case b.caller.Role == admin.Member && s.Team != b.caller.Team:
		return fmt.Sprintf("belongs to the source %s of %s: have them change it", s.Name, ownerOf(s))
	case !leave:
		return fmt.Sprintf("belongs to the source %s, in %s: change it there, or take it over (--take-over)", s.Name, at.At("name"))
	}
	return ""
}

// edit makes edits in the text of a source. What other sources have is moved into it first.
func (b *bench) edit(out *proposed, others []config.Source, p admin.Proposal) ([]config.Source, gateway.Faults) {
	wanted := map[gateway.Ref]gateway.Origin{}
	for _, e := range p.Edits {
		wanted[e.Object] = gateway.Origin{}
	}
	after, faults := b.take(others, wanted, p.TakeOver)
	if len(faults) > 0 {
		return nil, faults
	}
	in := config.Objects(b.documents)
	for _, s := range others {
		var moved []gateway.Ref
		for ref := range wanted {
			if at, known := in[ref]; known && at.Source == s.Name {
				moved = append(moved, ref)
			}
		}
		if len(moved) > 0 {
			slices.SortFunc(moved, compareRefs)
			out.own.Files = config.Keep(out.own.Files, s.Files, moved)
		}
	}
	files, faults := config.Edited(out.own.Files, editsOf(p.Edits))
	for i := range faults {
		faults[i].Place.Source = out.own.Name
	}
	out.own.Files = files
	return after, append(faults, out.own.Check()...)
}

func editsOf(list []admin.Edit) []config.Edit {
	out := make([]config.Edit, len(list))
	for i, e := range list {
		out[i] = config.Edit{Object: e.Object, Document: e.Document, New: e.New, Remove: e.Remove}
		for _, f := range e.Set {
			out[i].Set = append(out[i].Set, config.SetField(f))
		}
	}
	return out
}

// refsOf returns names in order.
func refsOf(objects map[gateway.Ref]gateway.Origin) []gateway.Ref {
	return slices.SortedFunc(maps.Keys(objects), compareRefs)
}

func compareRefs(a, b gateway.Ref) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}
