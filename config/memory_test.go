package config_test

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// sameDocuments compares what was loaded, but for the functions that find a field's line: those are compared by what they say.
func sameDocuments(want, got *gateway.Documents) string {
	if changes := config.Diff(want, got); len(changes) > 0 {
		return fmt.Sprintf("the documents differ: %+v", changes)
	}
	return cmp.Diff(want, got, cmpopts.IgnoreFields(gateway.Documents{}, "Written"), cmp.Comparer(func(a, b gateway.Origin) bool {
		return a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.At("to") == b.At("to") && a.At("name") == b.At("name")
	}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty())
}

// TestMemoryChangesNothing loads each case again and again with the same memory, while one file after the other is touched,
// removed and put back: each time the outcome is that of reading everything anew.
func TestMemoryChangesNothing(t *testing.T) {
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range cases {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, files := archive(t, file)
			memory := &config.Memory{}
			check := func(what string, files fstest.MapFS) {
				t.Helper()
				want, wantFaults := config.LoadFS(files, config.Options{LookupEnv: environment})
				got, faults := config.LoadFS(files, config.Options{LookupEnv: environment, Memory: memory})
				if diff := cmp.Diff(fmt.Sprint(wantFaults), fmt.Sprint(faults)); diff != "" {
					t.Fatalf("%s: faults (-without memory +with):\n%s", what, diff)
				}
				if diff := sameDocuments(want, got); diff != "" {
					t.Fatalf("%s: documents (-without memory +with):\n%s", what, diff)
				}
			}
			check("at first", files)
			check("again", files)
			names := slices.Sorted(maps.Keys(files))
			for _, name := range names[:min(len(names), 5)] {
				changed := maps.Clone(files)
				changed[name] = &fstest.MapFile{Data: append([]byte("# Touched.\n"), files[name].Data...)}
				check(name+" touched", changed)
				delete(changed, name)
				check(name+" removed", changed)
				check(name+" put back", files)
			}
		})
	}
}

// TestMemoryKeepsValues tells which objects are the same values after one file changed: those of all other files.
func TestMemoryKeepsValues(t *testing.T) {
	upstream := func(name, port string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("schema: 1\nkind: Upstream\nname: " + name + "\nendpoints: [{address: \"127.0.0.1:" + port + "\"}]\n")}
	}
	policy := &fstest.MapFile{Data: []byte("schema: 1\nkind: Policy\nname: p\nfile: ./p.rego\n")}
	files := fstest.MapFS{
		"one.yaml": upstream("one", "9001"), "two.yaml": upstream("two", "9002"), "p.yaml": policy,
		"p.rego": &fstest.MapFile{Data: []byte("package p\n")},
	}
	memory := &config.Memory{}
	load := func() *gateway.Documents {
		t.Helper()
		docs, faults := config.LoadFS(files, config.Options{Memory: memory})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		return docs
	}
	first := load()
	files["two.yaml"] = upstream("two", "9003")
	second := load()
	if second.Upstreams[0] != first.Upstreams[0] || second.Policies[0] != first.Policies[0] {
		t.Error("objects of unchanged files were read anew")
	}
	if second.Upstreams[1] == first.Upstreams[1] || second.Upstreams[1].Endpoints[0].Address != "127.0.0.1:9003" {
		t.Error("a changed file was not read")
	}
	files["p.rego"] = &fstest.MapFile{Data: []byte("package p\n\nallow := true\n")}
	if third := load(); third.Policies[0] == second.Policies[0] || third.Policies[0].Source == second.Policies[0].Source {
		t.Error("a changed file that another includes was not read")
	}
}
