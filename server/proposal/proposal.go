// Package proposal puts what somebody proposes into the sources of a configuration, by their text. In: the sources in use, the objects
// that are in them, and an admin.Proposal of files or edits. Out: the sources with it, or faults. It compiles nothing and changes
// nothing that is in use.
package proposal

import (
	"fmt"
	"slices"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// Outcome are the sources of a configuration with somebody's proposal in it.
type Outcome struct {
	Sources []config.Source
	Kept    []gateway.Ref // Objects of the source proposed to that its new files do not have.

	own config.Source // The one that is proposed to.
}

// Base is what a proposal is worked out on: what is in use, how to read files, and who proposes.
type Base struct {
	Documents *gateway.Documents
	Sources   []config.Source
	Load      func([]config.Source) (*gateway.Documents, gateway.Faults)
	Caller    admin.Caller
}

// Put puts a proposal into the sources in use. What is refused is an error that wraps admin.ErrRefused, or faults.
func (b *Base) Put(p admin.Proposal) (*Outcome, gateway.Faults, error) {
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
	out := &Outcome{own: own}
	others := slices.DeleteFunc(slices.Clone(b.Sources), func(s config.Source) bool { return s.Name == own.Name })
	var faults gateway.Faults
	if len(p.Edits) > 0 {
		others, faults = b.edit(out, others, p)
	} else {
		others, faults = b.replace(out, others, p)
	}
	if len(faults) > 0 {
		return nil, faults.Sort(), nil
	}
	out.Sources = append(others, out.own)
	return out, nil, nil
}

// own returns a source as it is in use, or an empty one. A member's source is bound to the member's team from the beginning.
func (b *Base) own(name string) (config.Source, error) {
	member := b.Caller.Role == admin.Member
	for _, s := range b.Sources {
		if s.Name != name {
			continue
		}
		if member && s.Team != b.Caller.Team {
			return s, fmt.Errorf("%w: the source %s belongs to %s, not to team %s", admin.ErrRefused, name, ownerOf(s), b.Caller.Team)
		}
		return s, nil
	}
	s := config.Source{Name: name}
	if member {
		s.Team = b.Caller.Team
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
func (b *Base) replace(out *Outcome, others []config.Source, p admin.Proposal) ([]config.Source, gateway.Faults) {
	before := out.own.Files
	out.own.Files = p.Files
	if faults := out.own.Check(); len(faults) > 0 {
		return nil, faults
	}
	docs, _ := b.Load([]config.Source{out.own}) // Its faults are found again in the whole.
	objects := config.Objects(docs)
	if !p.Prune {
		for ref, at := range config.Objects(b.Documents) {
			if _, has := objects[ref]; !has && at.Source == out.own.Name {
				out.Kept = append(out.Kept, ref)
			}
		}
		slices.SortFunc(out.Kept, gateway.Ref.Compare)
		out.own.Files = config.Keep(p.Files, before, out.Kept)
	}
	return b.take(others, objects, p.TakeOver)
}

// take takes objects out of the sources that have them, by text; without leave to do so each of them is a fault.
func (b *Base) take(others []config.Source, objects map[gateway.Ref]gateway.Origin, leave bool) ([]config.Source, gateway.Faults) {
	var faults gateway.Faults
	taken := map[string][]gateway.Ref{}
	for ref, at := range config.Objects(b.Documents) {
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
func (b *Base) unmoved(s config.Source, at gateway.Origin, leave bool) string {
	switch {
	case s.Name == "":
		return fmt.Sprintf("stands in the directory that the daemon watches, in %s: change it there, or remove it there first", at.At("name"))
	case b.Caller.Role == admin.Member && s.Team != b.Caller.Team:
		return fmt.Sprintf("belongs to the source %s of %s: have them change it", s.Name, ownerOf(s))
	case !leave:
		return fmt.Sprintf("belongs to the source %s, in %s: change it there, or take it over (--take-over)", s.Name, at.At("name"))
	}
	return ""
}

// edit makes edits in the text of a source. What other sources have is moved into it first.
func (b *Base) edit(out *Outcome, others []config.Source, p admin.Proposal) ([]config.Source, gateway.Faults) {
	wanted := map[gateway.Ref]gateway.Origin{}
	for _, e := range p.Edits {
		wanted[e.Object] = gateway.Origin{}
	}
	after, faults := b.take(others, wanted, p.TakeOver)
	if len(faults) > 0 {
		return nil, faults
	}
	in := config.Objects(b.Documents)
	for _, s := range others {
		var moved []gateway.Ref
		for ref := range wanted {
			if at, known := in[ref]; known && at.Source == s.Name {
				moved = append(moved, ref)
			}
		}
		if len(moved) > 0 {
			slices.SortFunc(moved, gateway.Ref.Compare)
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
