package decisions_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/decisions"
	"github.com/gatehouse/gatehouse/gateway"
)

// told is an Editor that answers what it was told.
type told struct {
	drop  bool
	masks any // As a policy answers.
	err   error
}

func (e told) Drop(context.Context, map[string]any) (bool, error) { return e.drop, e.err }

func (e told) Mask(context.Context, map[string]any) ([]decisions.Mask, error) {
	return decisions.ReadMasks(e.masks)
}

// TestEditors holds what becomes of a record: written with what stands in want, left out, or failed.
func TestEditors(t *testing.T) {
	t.Parallel()
	const headers = "/input/attributes/request/http/headers/"
	remove := func(path string) map[string]any { return map[string]any{"op": "remove", "path": path} }
	upsert := func(path string, value any) map[string]any {
		return map[string]any{"op": "upsert", "path": path, "value": value}
	}
	for name, c := range map[string]struct {
		editor         told
		input          string // What is left of it; empty: the record is not written.
		erased, masked []string
		failed         uint64
	}{
		"nothing":       {editor: told{masks: []any{}}, input: `{"attributes":{"request":{"http":{"headers":{"a/b":"1","x-name":"alice"}}}},"list":[1,2]}`},
		"removed":       {editor: told{masks: []any{headers + "x-name"}}, input: `{"attributes":{"request":{"http":{"headers":{"a/b":"1"}}}},"list":[1,2]}`, erased: []string{headers + "x-name"}},
		"escaped":       {editor: told{masks: []any{headers + "a~1b"}}, input: `{"attributes":{"request":{"http":{"headers":{"x-name":"alice"}}}},"list":[1,2]}`, erased: []string{headers + "a~1b"}},
		"replaced":      {editor: told{masks: []any{upsert("/input/list", "***"), remove(headers[:len(headers)-1])}}, input: `{"attributes":{"request":{"http":{}}},"list":"***"}`, erased: []string{headers[:len(headers)-1]}, masked: []string{"/input/list"}},
		"added":         {editor: told{masks: []any{upsert("/input/new/deep", 1.0)}}, input: `{"attributes":{"request":{"http":{"headers":{"a/b":"1","x-name":"alice"}}}},"list":[1,2],"new":{"deep":1}}`, masked: []string{"/input/new/deep"}},
		"absent":        {editor: told{masks: []any{"/input/none/below", "/result/none"}}, input: `{"attributes":{"request":{"http":{"headers":{"a/b":"1","x-name":"alice"}}}},"list":[1,2]}`},
		"dropped":       {editor: told{drop: true}},
		"in a list":     {editor: told{masks: []any{"/input/list/0"}}, failed: 1},
		"not maskable":  {editor: told{masks: []any{"/decision_id"}}, failed: 1},
		"no path":       {editor: told{masks: []any{"input"}}, failed: 1},
		"no operation":  {editor: told{masks: []any{map[string]any{"op": "swap", "path": "/input"}}}, failed: 1},
		"no list":       {editor: told{masks: "x"}, failed: 1},
		"a number":      {editor: told{masks: []any{1.0}}, failed: 1},
		"policy failed": {editor: told{err: errors.New("boom")}, failed: 1},
	} {
		sink := &lines{}
		l := newLog(t, decisions.Options{Lines: sink, Settings: func(string) decisions.Settings {
			return decisions.Settings{Input: true, Editor: c.editor}
		}})
		d := refusal("r-1", noon())
		d.Input = json.RawMessage(`{"attributes":{"request":{"http":{"headers":{"a/b":"1","x-name":"alice"}}}},"list":[1,2]}`)
		l.Put(pending(d))
		stop(t, l)
		got := sink.read(t)
		if counts := l.Counts(); counts.Failed != c.failed || len(got) != int(counts.Written) {
			t.Errorf("%s: %+v", name, counts)
		}
		if c.input == "" {
			if len(got) > 0 {
				t.Errorf("%s: written all the same: %+v", name, got)
			}
			continue
		}
		if len(got) != 1 || string(got[0].Input) != c.input {
			t.Errorf("%s: %+v\n%s\nwant %s", name, got, got[0].Input, c.input)
			continue
		}
		if diff := cmp.Diff([][]string{c.erased, c.masked}, [][]string{got[0].Erased, got[0].Masked}); diff != "" {
			t.Errorf("%s: places (-want +got):\n%s", name, diff)
		}
		if got[0].Identity.Consumer != "bob" || got[0].Reason != "not-owner" || got[0].Path != d.Path {
			t.Errorf("%s: more was changed: %+v", name, got[0])
		}
	}
}

// TestMaskedIdentity takes out what is outside of the input.
func TestMaskedIdentity(t *testing.T) {
	t.Parallel()
	sink := &lines{}
	l := newLog(t, decisions.Options{Lines: sink, Settings: func(string) decisions.Settings {
		return decisions.Settings{Editor: told{masks: []any{"/identity/consumer", "/result/reason", "/path_of_request"}}}
	}})
	d := refusal("r-1", noon())
	l.Put(pending(d))
	stop(t, l)
	got := sink.read(t)[0]
	if got.Identity.Consumer != "" || got.Identity.Kind != gateway.ByJWT || got.Reason != "" || got.Path != "" || len(got.Erased) != 3 {
		t.Errorf("%+v %+v", got, got.Identity)
	}
	if d.Identity.Consumer != "bob" {
		t.Error("the identity of others was changed")
	}
}
