package authz

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// nearRules is how many values of rules a frame of a memory compares one by one. Few policies have more; what is beyond
// them goes to OPA's own cache, which hashes.
const nearRules = 16

// memory remembers the values of rules during one evaluation: a topdown.VirtualCache that is used again by the next one
// instead of being allocated anew. Asking OPA's for the few rules of a usual policy costs more than evaluating them.
type memory struct {
	frames []frame
	values []remembered
	refs   []*ast.Term // The terms of all references, one behind the other.
	stop   stop        // Ends the evaluation that uses it.
}

// frame is what was remembered since a "with" replaced something.
type frame struct {
	values, refs int // Where the frame begins.
	beyond       topdown.VirtualCache
}

// remembered is the value of one rule; nil means undefined.
type remembered struct {
	from, to int // Its reference in refs.
	value    *ast.Term
}

func newMemory() *memory {
	m := &memory{}
	m.Push()
	return m
}

// forget makes the memory as good as new. It holds nothing of the request on.
func (m *memory) forget() {
	clear(m.frames[:cap(m.frames)])
	clear(m.values[:cap(m.values)])
	clear(m.refs[:cap(m.refs)])
	m.frames, m.values, m.refs = append(m.frames[:0], frame{}), m.values[:0], m.refs[:0]
}

// Push begins a new frame.
func (m *memory) Push() {
	m.frames = append(m.frames, frame{values: len(m.values), refs: len(m.refs)})
}

// Pop forgets the last frame.
func (m *memory) Pop() {
	last := m.frames[len(m.frames)-1]
	m.frames, m.values, m.refs = m.frames[:len(m.frames)-1], m.values[:last.values], m.refs[:last.refs]
}

// Get returns the value of a rule; true says that it is undefined, nil and false that nothing is known.
func (m *memory) Get(ref ast.Ref) (*ast.Term, bool) {
	f := m.frames[len(m.frames)-1]
	if i := m.find(f, ref); i >= 0 {
		return m.values[i].value, m.values[i].value == nil
	}
	if f.beyond != nil {
		return f.beyond.Get(ref)
	}
	return nil, false
}

// Put notes the value of a rule; nil means that it is undefined.
func (m *memory) Put(ref ast.Ref, value *ast.Term) {
	f := &m.frames[len(m.frames)-1]
	switch i := m.find(*f, ref); {
	case i >= 0:
		m.values[i].value = value
	case len(m.values)-f.values < nearRules:
		from := len(m.refs)
		m.refs = append(m.refs, ref...) // The caller goes on changing ref.
		m.values = append(m.values, remembered{from, len(m.refs), value})
	default:
		if f.beyond == nil {
			f.beyond = topdown.NewVirtualCache()
		}
		f.beyond.Put(ref, value)
	}
}

// Keys returns the references of the rules of the last frame that have a value.
func (m *memory) Keys() []ast.Ref {
	f := m.frames[len(m.frames)-1]
	var keys []ast.Ref
	for _, v := range m.values[f.values:] {
		if v.value != nil {
			keys = append(keys, slices.Clone(m.refs[v.from:v.to]))
		}
	}
	if f.beyond != nil {
		keys = append(keys, f.beyond.Keys()...)
	}
	return keys
}

// find returns the index of a reference among the values of a frame, or -1. References to rules of one package differ at
// their end, so they are compared from there.
func (m *memory) find(f frame, ref ast.Ref) int {
	for i := f.values; i < len(m.values); i++ {
		if v := m.values[i]; v.to-v.from == len(ref) && equalRefs(m.refs[v.from:v.to], ref) {
			return i
		}
	}
	return -1
}

func equalRefs(a, b ast.Ref) bool {
	for i, term := range slices.Backward(a) {
		if term != b[i] && !term.Equal(b[i]) {
			return false
		}
	}
	return true
}

// noData is the cache of base documents of a policy that has none: there is nothing to remember.
type noData struct{}

// Get returns nil: nothing is known.
func (noData) Get(ast.Ref) ast.Value { return nil }

// Put does nothing.
func (noData) Put(ast.Ref, ast.Value) {}
