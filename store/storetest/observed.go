package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/store"
)

func value(name, content string) store.Value {
	return store.Value{Kind: "endpoints", Name: name, Value: []byte(content), Author: "olga", Message: "deployed"}
}

func observedVersions(t *testing.T, s Subject) {
	ctx := t.Context()
	is(t, "expecting one where there is none", failure(s.Observed.Put(ctx, value("pay", "1"), 1)), store.ErrConflict)
	first := must(s.Observed.Put(ctx, value("pay", "1"), 0))(t)
	want := value("pay", "1")
	want.Version, want.Changed = first.Version, s.Clock.Now()
	equal(t, "put", first, want)
	equal(t, "read", must(s.Observed.Get(ctx, "endpoints", "pay"))(t), want)
	is(t, "expecting none where there is one", failure(s.Observed.Put(ctx, value("pay", "2"), 0)), store.ErrConflict)
	second := must(s.Observed.Put(ctx, value("pay", "2"), first.Version))(t)
	if second.Version <= first.Version {
		t.Errorf("version %d follows %d", second.Version, first.Version)
	}
	is(t, "expecting the one before", failure(s.Observed.Put(ctx, value("pay", "3"), first.Version)), store.ErrConflict)
	is(t, "deleting the one before", s.Observed.Delete(ctx, value("pay", ""), first.Version), store.ErrConflict)
	done(t, s.Observed.Delete(ctx, value("pay", ""), second.Version))
	is(t, "deleting again", s.Observed.Delete(ctx, value("pay", ""), store.AnyVersion), store.ErrNotFound)
	is(t, "reading", failure(s.Observed.Get(ctx, "endpoints", "pay")), store.ErrNotFound)
	third := must(s.Observed.Put(ctx, value("pay", ""), store.AnyVersion))(t)
	if third.Version <= second.Version {
		t.Errorf("version %d after deletion follows %d", third.Version, second.Version)
	}
	equal(t, "an empty value", must(s.Observed.Get(ctx, "endpoints", "pay"))(t).Value, []byte{})
	must(s.Observed.Put(ctx, store.Value{Kind: "keys", Name: "pay"}, 0))(t)
	equal(t, "of one kind", len(must(s.Observed.List(ctx, "endpoints"))(t)), 1)
	equal(t, "of all kinds", len(must(s.Observed.List(ctx, ""))(t)), 2)
	is(t, "without name", failure(s.Observed.Put(ctx, value("", "1"), 0)), store.ErrInvalid)
	is(t, "too large", failure(s.Observed.Put(ctx, value("big", string(make([]byte, 5<<20))), 0)), store.ErrInvalid)
}

func observedTrail(t *testing.T, s Subject) {
	ctx := t.Context()
	short := s.Open(t, store.Options{Trail: 5, Now: s.Clock.Now})
	for i := range 20 {
		must(short.Observed.Put(ctx, value("pay", fmt.Sprint(i)), store.AnyVersion))(t)
	}
	large := bytes.Repeat([]byte("x"), 5000)
	must(short.Observed.Put(ctx, store.Value{Kind: "keys", Name: "idp", Value: large}, 0))(t)
	done(t, short.Observed.Delete(ctx, store.Value{Kind: "keys", Name: "idp", Author: "ivan", Message: "gone"}, store.AnyVersion))
	trail := must(s.Observed.Trail(ctx, "", "", 0))(t)
	var got []string
	for _, c := range trail {
		got = append(got, fmt.Sprintf("%s %s %q %d %v %s", c.Kind, c.Name, c.Value.Value, c.Size, c.Deleted, c.Author))
	}
	equal(t, "trail", got, []string{
		`keys idp "" 0 true ivan`, `keys idp "" 5000 false `,
		`endpoints pay "19" 2 false olga`, `endpoints pay "18" 2 false olga`, `endpoints pay "17" 2 false olga`,
	})
	equal(t, "trail of one", len(must(s.Observed.Trail(ctx, "endpoints", "pay", 2))(t)), 2)
	equal(t, "trail of another", len(must(s.Observed.Trail(ctx, "endpoints", "idp", 0))(t)), 0)
	is(t, "the large value", failure(s.Observed.Get(ctx, "keys", "idp")), store.ErrNotFound)
}

// observedAgrees runs random puts and deletes with random expectations against a map.
func observedAgrees(t *testing.T, s Subject) {
	model := map[string]store.Value{}
	highest := int64(0)
	s.check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 20).Draw(t, "calls") {
			name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name")
			current, found := model[name]
			expected := rapid.SampledFrom([]int64{store.AnyVersion, 0, current.Version, highest, 1}).Draw(t, "expected")
			matches := expected == store.AnyVersion || expected == current.Version
			if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
				want := error(nil)
				switch {
				case !matches:
					want = store.ErrConflict
				case !found:
					want = store.ErrNotFound
				default:
					delete(model, name)
					highest++
				}
				is(t, "delete", s.Observed.Delete(t.Context(), value(name, ""), expected), want)
				continue
			}
			put, err := s.Observed.Put(t.Context(), value(name, rapid.String().Draw(t, "value")), expected)
			if !matches {
				is(t, "put", err, store.ErrConflict)
				continue
			}
			done(t, err)
			if highest++; put.Version != highest {
				t.Fatalf("version %d, want %d", put.Version, highest)
			}
			model[name] = put
		}
		for _, v := range must(s.Observed.List(t.Context(), "endpoints"))(t) {
			equal(t, "value", v, model[v.Name])
		}
	})
}
