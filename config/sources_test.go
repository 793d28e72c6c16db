package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// upstreamText is a file with Upstreams.
func upstreamText(names ...string) []byte {
	var b strings.Builder
	b.WriteString("schema: 1\n")
	for i, name := range names {
		if i > 0 {
			b.WriteString("---\n")
		}
		fmt.Fprintf(&b, "kind: Upstream\nname: %s\nendpoints: [{address: \"127.0.0.1:9001\"}]\n", name)
	}
	return []byte(b.String())
}

func TestSourcesSplitAndJoin(t *testing.T) {
	t.Parallel()
	want := []config.Source{
		{Files: map[string][]byte{"a.yaml": []byte("a"), "deep/.hidden": []byte("b")}},
		{Name: "shop", Team: "shop", Files: map[string][]byte{"a.yaml": []byte("c")}},
		{Name: "zoo", Files: map[string][]byte{"x/y.rego": {}, "x/.source": []byte("d")}},
	}
	got, err := config.SplitSources(config.JoinSources(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	plain := map[string][]byte{"a.yaml": []byte("a"), "b/c.yaml": []byte("b")}
	if diff := cmp.Diff(plain, config.JoinSources([]config.Source{{Files: plain}, {Name: "none", Team: "t"}})); diff != "" {
		t.Errorf("the watched directory alone -want +got:\n%s", diff)
	}
	for _, broken := range []string{".sources/x", ".sources/.x/a", ".sources/a b/c"} {
		if _, err := config.SplitSources(map[string][]byte{broken: nil}); err == nil {
			t.Errorf("%s is taken", broken)
		}
	}
	if _, err := config.SplitSources(map[string][]byte{".sources/x/.source": []byte("{")}); err == nil {
		t.Error("a binding that is no JSON is taken")
	}
}

func TestSourcesAreBounded(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"/etc/passwd": "not from the root", "../a.yaml": "not from the root", "a/../b.yaml": "not from the root", "a\\b.yaml": "not from the root",
		".": "not from the root", "": "not from the root", "a/": "not from the root",
		".sources/other/a.yaml": "Gatehouse's own", ".source": "Gatehouse's own", strings.Repeat("a/", 600) + "a": "shorten",
		"f/g/h.yaml": "f is a file and a folder",
	} {
		s := config.Source{Name: "shop", Files: map[string][]byte{file: nil, "f": nil}}
		faults := s.Check()
		if len(faults) != 1 || !strings.Contains(faults[0].Message, want) || faults[0].Place.Source != "shop" {
			t.Errorf("%q: %v, want %q", file, faults, want)
		}
	}
	many := config.Source{Files: map[string][]byte{}}
	for i := range 10_001 {
		many.Files[fmt.Sprint(i)] = nil
	}
	large := config.Source{Files: map[string][]byte{"a": make([]byte, 16<<20+1)}}
	whole := config.Source{Files: map[string][]byte{"a": make([]byte, 16<<20), "b": make([]byte, 16<<20), "c": make([]byte, 16<<20), "d": {0}}}
	for _, s := range []config.Source{many, large, whole} {
		if faults := s.Check(); len(faults) != 1 || faults[0].Code != gateway.CodeTooLarge {
			t.Errorf("%d files: %v", len(s.Files), faults)
		}
	}
	for name, good := range map[string]bool{"shop": true, "a.b-c_D9": true, "": false, ".x": false, "a/b": false, "a b": false, strings.Repeat("a", 101): false} {
		if err := config.CheckSourceName(name); (err == nil) != good {
			t.Errorf("the name %q: %v", name, err)
		}
	}
}

func TestSourcesAreOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "u.yaml"), upstreamText("plain"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := "schema: 1\nkind: Route\nname: r\nteam: t\nexpose: [{gateway: g, hosts: [a.test]}]\nmatch: {path: /}\nauthenticate: none\nto: [plain]\n"
	sources := []config.Source{
		{Name: "two", Team: "t", Files: map[string][]byte{
			"u.yaml": upstreamText("two"), "p/p.yaml": []byte("schema: 1\nkind: Policy\nname: p\nfile: ./p.rego\n"),
			"p/p.rego": []byte("package p\n"), "p/p_test.rego": []byte("package p_test\n"), "README.md": []byte("no part of it"),
		}},
		{Dir: dir},
		{Name: "one", Files: map[string][]byte{"r.yaml": []byte(api)}},
	}
	docs, faults := config.LoadSources(sources, dir, config.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	var names []string
	for _, u := range docs.Upstreams {
		names = append(names, u.Origin.At("name").String())
	}
	names = append(names, docs.Policies[0].Origin.At("").String(), docs.APIs[0].Origin.At("to").String())
	if diff := cmp.Diff([]string{"u.yaml:3:7", "two:u.yaml:3:7", "two:p/p.yaml:2:1", "one:r.yaml:8:1"}, names); diff != "" {
		t.Errorf("places -want +got:\n%s", diff)
	}
	want := []string{
		".sources/one/r.yaml", ".sources/two/.source", ".sources/two/p/p.rego", ".sources/two/p/p.yaml", ".sources/two/p/p_test.rego",
		".sources/two/u.yaml", "u.yaml",
	}
	var got []string
	for file := range docs.Files {
		got = append(got, file)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files -want +got:\n%s", diff)
	}
	split, err := config.SplitSources(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	again, faults := config.LoadSources(split, "", config.Options{})
	if diff := sameDocuments(docs, again); diff != "" || len(faults) > 0 {
		t.Errorf("from what is stored: %v -want +got:\n%s", faults, diff)
	}
}

func TestOneObjectHasOneSource(t *testing.T) {
	t.Parallel()
	route := func(host string) []byte {
		return []byte("schema: 1\nkind: Route\nname: r\nexpose: [{gateway: g, hosts: [" + host + "]}]\nauthenticate: none\nto: [one]\n")
	}
	sources := []config.Source{
		{Files: map[string][]byte{"u.yaml": upstreamText("one", "two")}},
		{Name: "b", Files: map[string][]byte{"x.yaml": upstreamText("three", "two"), "r.yaml": route("b.test")}},
		{Name: "c", Files: map[string][]byte{"r.yaml": route("c.test")}},
	}
	docs, faults := config.LoadSources(sources, "", config.Options{})
	var got []string
	for _, f := range faults {
		if f.Code != gateway.CodeDuplicate {
			t.Errorf("%v", f)
		}
		got = append(got, f.Place.String()+" "+f.Message[:strings.Index(f.Message, " too")])
	}
	want := []string{
		"u.yaml:7:7 Upstream two stands in b:x.yaml:7:7", "b:r.yaml:3:7 Route r stands in c:r.yaml:3:7",
		"b:x.yaml:7:7 Upstream two stands in u.yaml:7:7", "c:r.yaml:3:7 Route r stands in b:r.yaml:3:7",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(docs.Upstreams) != 2 || !docs.Broken[gateway.Ref{Kind: gateway.KindUpstream, Name: "two"}] {
		t.Errorf("%d Upstreams, broken %v", len(docs.Upstreams), docs.Broken)
	}
	if len(docs.APIs) != 1 || !docs.APIs[0].Faulty || docs.APIs[0].Origin.Source != "b" {
		t.Errorf("Routes %+v", docs.APIs)
	}
}

// A source that was handed in names what came with it. Of the daemon's directory it sees secrets and watched files alone.
func TestSourcesStayInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for file, text := range map[string]string{"p.rego": "package p\n", "keys.json": keys, "eps.yaml": "[{address: \"127.0.0.1:1\"}]\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	issuer := []byte("schema: 1\nkind: Issuer\nname: i\nissuer: https://idp.test\njwks: {file: ./keys.json}\n")
	upstream := []byte("schema: 1\nkind: Upstream\nname: u\nendpoints: {file: ./eps.yaml}\n")
	policy := []byte("schema: 1\nkind: Policy\nname: p\nfile: ./p.rego\n")
	load := func(files map[string][]byte, memory *config.Memory) (*gateway.Documents, gateway.Faults) {
		return config.LoadSources([]config.Source{{Name: "s", Files: files}}, dir, config.Options{Memory: memory})
	}
	if _, faults := load(map[string][]byte{"p.yaml": policy}, nil); len(faults) != 1 || faults[0].Code != gateway.CodeFile {
		t.Errorf("Rego of the daemon's directory: %v", faults)
	}
	memory := &config.Memory{}
	docs, faults := load(map[string][]byte{"i.yaml": issuer, "u.yaml": upstream}, memory)
	if len(faults)+len(docs.Watched) > 0 || docs.Issuers[0].KeyFile != "keys.json" || docs.Upstreams[0].Discovery.File != "eps.yaml" {
		t.Errorf("watched: %v %v %+v %+v", faults, docs.Watched, docs.Issuers, docs.Upstreams)
	}
	handed := map[string][]byte{"i.yaml": issuer, "u.yaml": upstream, "keys.json": []byte(keys), "eps.yaml": []byte("[{address: \"127.0.0.1:2\"}]\n")}
	docs, faults = load(handed, memory)
	if len(faults)+len(docs.Watched) > 0 || docs.Issuers[0].KeyFile != "" || docs.Upstreams[0].Discovery != nil ||
		docs.Upstreams[0].Endpoints[0].Address != "127.0.0.1:2" || len(docs.Files) != 4 {
		t.Errorf("handed in: %v %v %+v %+v %d", faults, docs.Watched, docs.Issuers, docs.Upstreams, len(docs.Files))
	}
	handed["eps.yaml"] = []byte("no list\n")
	if _, faults = load(handed, memory); len(faults) == 0 || faults[0].Place.String() != "s:eps.yaml:1:1" {
		t.Errorf("a list that cannot be read: %v", faults)
	}
	for _, named := range []string{"../a.rego", "./.sources/other/a.rego", "./.source"} {
		text := []byte("schema: 1\nkind: Policy\nname: p\nfile: " + named + "\n")
		for _, s := range []config.Source{{Name: "s", Files: map[string][]byte{"p.yaml": text}}, {Files: map[string][]byte{"p.yaml": text}}} {
			if _, faults := config.LoadSources([]config.Source{s}, dir, config.Options{}); len(faults) != 1 {
				t.Errorf("%s in %q: %v", named, s.Name, faults)
			}
		}
	}
}

func TestSourcesAreRemembered(t *testing.T) {
	t.Parallel()
	memory := &config.Memory{}
	load := func(m *config.Memory, second string) *gateway.Documents {
		t.Helper()
		docs, faults := config.LoadSources([]config.Source{
			{Name: "a", Files: map[string][]byte{"u.yaml": upstreamText("a")}},
			{Name: "b", Files: map[string][]byte{"u.yaml": upstreamText(second), "v.yaml": upstreamText("v")}},
		}, "", config.Options{Memory: m})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		return docs
	}
	first := load(memory, "b")
	copied := memory.Clone()
	second := load(memory, "c")
	if second.Upstreams[0] != first.Upstreams[0] || second.Upstreams[2] != first.Upstreams[2] || second.Upstreams[1] == first.Upstreams[1] {
		t.Error("an unchanged source or file was read anew, or a changed one not")
	}
	if third := load(copied, "b"); third.Upstreams[1] != first.Upstreams[1] {
		t.Error("a copy forgot what it remembered")
	}
	if fourth := load(memory, "c"); fourth.Upstreams[1] != second.Upstreams[1] {
		t.Error("a copy took from what it was copied from")
	}
}

// TestUnseenCharactersInPaths names files so that a terminal would show another name, or obey.
func TestUnseenCharactersInPaths(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"a\n.yaml", "\x1b[2J.yaml", "\u202egnp.yaml", "a\x7f.yaml"} {
		s := config.Source{Name: "shop", Files: map[string][]byte{file: []byte("schema: 1\n")}}
		if faults := s.Check(); len(faults) != 1 || faults[0].Code != gateway.CodeFile || strings.Contains(faults[0].Error(), file) {
			t.Errorf("%q: %v", file, faults)
		}
	}
}
