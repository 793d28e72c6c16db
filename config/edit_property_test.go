package config_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// commented returns a document as somebody might have written it: with comments and blank lines between its lines and comments
// behind them, all of them numbered.
func commented(r *rand.Rand, text string) (out string, comments []string) {
	var b strings.Builder
	comment := func() string {
		comments = append(comments, fmt.Sprintf("# comment %d.", len(comments)))
		return comments[len(comments)-1]
	}
	block := 0 // Indentation of what holds a block of text.
	inBlock := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if inBlock = inBlock && (blanks > block || line == ""); inBlock {
			b.WriteString(line + "\n")
			continue
		}
		switch r.IntN(8) {
		case 0:
			b.WriteString(strings.Repeat(" ", blanks) + comment() + "\n")
		case 1:
			b.WriteString("\n" + comment() + "\n\n")
		}
		b.WriteString(line)
		if inBlock = strings.HasSuffix(line, " |") || strings.HasSuffix(line, " |-"); inBlock {
			block = blanks
		} else if r.IntN(4) == 0 {
			b.WriteString(strings.Repeat(" ", 1+r.IntN(3)) + comment())
		}
		b.WriteString("\n")
	}
	return b.String(), comments
}

// edits are edits of documents that a speller writes, and the change that each makes.
func edits() []config.Edit {
	ref := func(kind gateway.Kind, name string) gateway.Ref {
		if kind == gateway.KindAPI {
			return gateway.Ref{Kind: kind, Name: name, Version: "v1"}
		}
		return gateway.Ref{Kind: kind, Name: name}
	}
	set := func(kind gateway.Kind, name, field, value string) config.Edit {
		return config.Edit{Object: ref(kind, name), Set: []config.SetField{{Field: field, Value: value}}}
	}
	return []config.Edit{
		set(gateway.KindAPI, "a0", "stage", "deprecated"),
		set(gateway.KindAPI, "a0", "to[u2].weight", "77"),
		set(gateway.KindAPI, "a0", "limits[a].limit", "777"),
		set(gateway.KindAPI, "a0", "limits[c]", "{name: c, limit: 7, per: 7s}"),
		set(gateway.KindAPI, "a0", "operations[added]", "{id: added, method: PATCH, path: /added}"),
		set(gateway.KindAPI, "a0", "when-away.authorization", "open"),
		set(gateway.KindAPI, "a0", "labels.new", "label"),
		set(gateway.KindAPI, "a0", "description", `"Another description."`),
		set(gateway.KindAPI, "a0", "expose[edge].base", "/elsewhere"),
		set(gateway.KindRoute, "r0", "match.path-regex", "/y[0-9]+"),
		set(gateway.KindRoute, "r0", "team", "shop"),
		set(gateway.KindUpstream, "u1", "timeout", "7s"),
		set(gateway.KindUpstream, "u1", "connect-timeout", "2s"),
		set(gateway.KindUpstream, "u1", "health.path", "/other"),
		set(gateway.KindUpstream, "u1", "retries.attempts", "7"),
		set(gateway.KindGateway, "edge", "listeners[other].port", "8082"),
		set(gateway.KindGateway, "edge", "listeners[new]", "{name: new, port: 8083}"),
		set(gateway.KindGateway, "edge", "trust.proxies", `["10.1.0.0/16"]`),
		set(gateway.KindPolicy, "p0", "rego", `"package p0\n\nallow := false\n"`),
		set(gateway.KindPolicy, "p0", "with.level", "7"),
		set(gateway.KindIssuer, "i0", "audiences", "[d]"),
	}
}

// TestEditedChangesOneField edits a field of documents with comments everywhere. What is loaded afterwards is the configuration
// with that field changed; all comments but those inside of what is written are still there, and so is every line that has nothing to
// do with it.
func TestEditedChangesOneField(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &speller{
			says:   rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "says"), 0)),
			spells: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "spells"), 0)),
		}
		docs, faults := config.LoadFS(s.files(), config.Options{})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		files := map[string][]byte{}
		var comments []string
		for file, text := range config.Dump(docs) {
			dressed, own := commented(s.spells, string(text))
			files[file] = []byte(dressed)
			for _, comment := range own {
				comments = append(comments, file+comment)
			}
		}
		before, faults := config.LoadFS(inMemory(files), config.Options{})
		if changes := config.Diff(docs, before); len(faults) > 0 || len(changes) > 0 {
			t.Fatalf("comments change something: %v %+v\n%s", faults, changes, all(files))
		}
		edit := rapid.SampledFrom(edits()).Draw(t, "edit")
		edited, faults := config.Edited(files, []config.Edit{edit})
		if len(faults) > 0 {
			t.Fatalf("%v\n%s", faults, all(files))
		}
		after, faults := config.LoadFS(inMemory(edited), config.Options{})
		changes := config.Diff(before, after)
		if len(faults) > 0 || len(changes) > 1 || len(changes) == 1 && changes[0].Object != edit.Object {
			t.Fatalf("%v %+v\n%s\n%s", faults, changes, all(files), all(edited))
		}
		for _, change := range changes {
			for _, f := range change.Fields {
				if wanted := edit.Set[0].Field; !strings.HasPrefix(f.Field, strings.TrimSuffix(wanted, ".path")) && !strings.HasPrefix(wanted, f.Field) && !strings.HasPrefix(f.Field, "match") {
					t.Fatalf("%s was to change: %+v\n%s\n%s", wanted, change, all(files), all(edited))
				}
			}
		}
		for _, comment := range comments {
			file, text, _ := strings.Cut(comment, "#")
			if n := bytes.Count(edited[file], []byte("#"+text)); n != 1 {
				t.Fatalf("%s is there %d times:\n%s\n%s", comment, n, all(files), all(edited))
			}
		}
	})
}

func loadFaults(files map[string][]byte) gateway.Faults {
	_, faults := config.LoadFS(inMemory(files), config.Options{})
	return faults
}

// FuzzEdited edits files of any content. It never panics; other files and other documents stay to the byte, and what comes out is
// refused or can be loaded, with or without faults.
func FuzzEdited(f *testing.F) {
	for _, c := range []struct{ field, value string }{
		{"timeout", "2s"},
		{"endpoints[127.0.0.1:9001].weight", "9"},
		{"endpoints", "pushed"},
		{"timeout", ""},
		{"health", "{path: /}"},
		{"retries.on[0]", ""},
		{"labels.a.b", "*x"},
		{"endpoints[", "["},
		{"description", "|\n  a\n  b"},
		{"description", "\"a\\nb\""},
	} {
		f.Add(edited, c.field, c.value)
		f.Add(strings.ReplaceAll(edited, "\n", "\r\n"), c.field, c.value)
	}
	f.Add("schema: 1\nkind: Upstream\nname: payments\nlabels: &l {a: b}\ndescription: >-\n  a\n  b\nendpoints: &e\n- {address: a:1}\n...\n---\n--- {kind: Upstream, name: o}", "labels", "{c: d}")
	f.Fuzz(func(t *testing.T, text, field, value string) {
		files := map[string][]byte{"bank.yaml": []byte(text), "other.yaml": []byte(edited)}
		ref := gateway.Ref{Kind: gateway.KindUpstream, Name: "payments"}
		change := config.Edit{Object: ref, Set: []config.SetField{{Field: field, Value: value}}}
		got, faults := config.Edited(files, []config.Edit{change})
		for _, fault := range faults {
			checkFault(t, inMemory(files), fault)
		}
		if len(faults) > 0 {
			return
		}
		if !bytes.Equal(got["other.yaml"], files["other.yaml"]) && bytes.Equal(got["bank.yaml"], files["bank.yaml"]) {
			files = map[string][]byte{"bank.yaml": []byte(edited)} // It stands there.
			got = map[string][]byte{"bank.yaml": got["other.yaml"]}
		}
		rest := func(files map[string][]byte) (out []string) {
			for _, s := range config.Slices(files) {
				if s.Ref != ref {
					out = append(out, s.Text)
				}
			}
			return out
		}
		if before, after := rest(files), rest(got); strings.Join(before, "") != strings.Join(after, "") {
			t.Errorf("other documents are changed: %q %q", before, after)
		}
		loaded := func(files map[string][]byte) {
			for _, fault := range loadFaults(files) {
				checkFault(t, inMemory(files), fault)
			}
		}
		loaded(got)
		removed, faults := config.Edited(got, []config.Edit{{Object: ref, Remove: true}})
		if len(faults) > 0 {
			t.Errorf("what was edited cannot be removed: %v", faults)
		}
		loaded(removed)
		loaded(config.Keep(removed, maps.Clone(got), []gateway.Ref{ref}))
	})
}
