package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// single is a directory of one file.
func single(text string) fstest.MapFS {
	return fstest.MapFS{"a.yaml": &fstest.MapFile{Data: []byte(text)}}
}

func TestQuickstartIsSound(t *testing.T) {
	docs, faults := config.Load("../examples/quickstart", config.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if len(docs.Gateways)+len(docs.Upstreams)+len(docs.APIs)+len(docs.Issuers)+len(docs.Policies) < 5 {
		t.Errorf("too few objects: %+v", docs)
	}
	if _, secret := docs.Files["issuer.test-key.json"]; secret {
		t.Error("the key is among the files of the configuration")
	}
	for _, file := range []string{"payments.yaml", "payments.openapi.yaml", "policies/payments.rego"} {
		want, err := os.ReadFile("../examples/quickstart/" + file)
		if err != nil || !bytes.Equal(want, docs.Files[file]) {
			t.Errorf("%s is not among the files byte for byte: %v", file, err)
		}
	}
	keys, err := os.ReadFile("../examples/quickstart/issuer.jwks.json")
	if i := docs.Issuers[0]; err != nil || !bytes.Equal(keys, i.KeySet) || i.KeyFile != "issuer.jwks.json" || docs.Files[i.KeyFile] != nil {
		t.Errorf("the watched key set %s is not read, or among the content: %v", i.KeyFile, err)
	}
	if docs.Issuers[0].Mint == nil || len(docs.Issuers[0].Mint.Key) == 0 {
		t.Error("the key that signs tokens was not resolved")
	}
	if _, faults := gateway.Assemble(docs, nil); len(faults) > 0 {
		t.Errorf("it cannot be assembled: %v", faults)
	}
}

// TestFaultsDoNotSpread breaks an Upstream and an API: the API still tells where it was to be reachable, and what refers to
// the Upstream is not reported on top.
func TestFaultsDoNotSpread(t *testing.T) {
	docs, faults := config.LoadFS(single(`schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: here
endpoints: []
---
kind: API
name: sound
version: v1
expose: [{gateway: edge, base: /sound}]
to: here
authenticate: none
---
kind: API
name: broken
version: v2
expose: [{gateway: edge, hosts: [api.bank.test], base: /broken}]
too: here
`), config.Options{})
	if len(faults) != 2 {
		t.Errorf("want a fault for the Upstream and one for the API, got\n%v", faults)
	}
	want := map[gateway.Ref]bool{
		{Kind: gateway.KindUpstream, Name: "here"}:             true,
		{Kind: gateway.KindAPI, Name: "broken", Version: "v2"}: true,
	}
	if diff := cmp.Diff(want, docs.Broken); diff != "" {
		t.Errorf("broken (-want +got):\n%s", diff)
	}
	broken := docs.APIs[0]
	exposed := []gateway.Exposure{{Gateway: "edge", Hosts: []string{"api.bank.test"}, Base: "/broken"}}
	if diff := cmp.Diff(exposed, broken.Expose); diff != "" || !broken.Faulty || docs.APIs[1].Faulty {
		t.Errorf("faulty %v and %v, exposed (-want +got):\n%s", broken.Faulty, docs.APIs[1].Faulty, diff)
	}
	_, faults = gateway.Assemble(docs, nil)
	if slices.ContainsFunc(faults, func(f gateway.Fault) bool { return f.Code == gateway.CodeDangling }) {
		t.Errorf("the faulty Upstream is reported as missing, too: %v", faults)
	}
}

func TestOriginFindsFields(t *testing.T) {
	docs, faults := config.LoadFS(single(`schema: 1
kind: API
name: payments
version: v1
to: here
labels: {a.b: x, a: y}
operations:
  - id: get
    path: /
    limits:
      - {name: one,
         limit: 5, per: 1s}
`), config.Options{})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for field, want := range map[string]string{
		"":                              "a.yaml:2:1",
		"version":                       "a.yaml:4:10",
		"operations":                    "a.yaml:7:1",
		"operations[0].path":            "a.yaml:9:11",
		"operations[0].limits[0].limit": "a.yaml:12:17",
		"operations[0].limits[0].key":   "a.yaml:11:9", // Not written: the limit itself.
		"operations[7].path":            "a.yaml:7:1",
		"to[0].upstream":                "a.yaml:5:5", // Its shorthand.
		"labels.a.b":                    "a.yaml:6:15",
		"labels.a":                      "a.yaml:6:21",
		"nothing":                       "a.yaml:2:1",
	} {
		if got := docs.APIs[0].Origin.At(field).String(); got != want {
			t.Errorf("%q is at %s, want %s", field, got, want)
		}
	}
}

func TestSecretsAreNotLookedUpWithoutAnEnvironment(t *testing.T) {
	files := single(`{schema: 1, kind: Issuer, name: a, issuer: a, jwks: {file: a.json}, mint: {key: "env:TEST_KEY", tokens: {}}}`)
	files["a.json"] = &fstest.MapFile{Data: []byte(`{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)}
	docs, faults := config.LoadFS(files, config.Options{})
	if len(faults) > 0 || docs.Issuers[0].Mint.Key != nil {
		t.Errorf("want no key and no fault, got %v", faults)
	}
	docs, faults = config.LoadFS(files, config.Options{LookupEnv: environment})
	if len(faults) > 0 || docs.Issuers[0].Mint.Key == nil {
		t.Errorf("want a key and no fault, got %v", faults)
	}
}

// TestSecretsAreNeverTold writes a secret wherever a document may hold one wrongly, and looks for it in what is said.
func TestSecretsAreNeverTold(t *testing.T) {
	const hidden = "c29ycnktdGhpcy1pcy1zZWNyZXQ"
	for _, text := range []string{
		`mint: {key: "` + hidden + `"}`,
		`mint: {key: {kty: oct, k: ` + hidden + `}}`,
		`mint: {key: [` + hidden + `]}`,
		`mint: {key: "env:HIDDEN"}`,
		`mint: {key: "file:./hidden.json"}`,
		`jwks: {inline: {keys: [{kty: oct, k: ` + hidden + `}]}}`,
		`jwks: {inline: {keys: [{kty: RSA, d: ` + hidden + `}]}}`,
		`jwks: {inline: {keys: [{kty: RSA, n: ` + hidden + `}]}}`,
		`jwks: {inline: '{"keys": [{"kty": "EC", "crv": "` + hidden + `"}]}'}`,
		`jwks: {inline: '` + hidden + `'}`,
		`jwks: {file: ./hidden.json}`,
	} {
		files := single("schema: 1\nkind: Issuer\nname: a\nissuer: a\n" + text + "\n")
		files["hidden.json"] = &fstest.MapFile{Data: []byte(hidden)}
		docs, faults := config.LoadFS(files, config.Options{LookupEnv: func(string) (string, bool) { return hidden, true }})
		if faults = append(faults, docs.Watched...); len(faults) == 0 {
			t.Errorf("no fault for %s", text)
		}
		if strings.Contains(fmt.Sprintf("%+v", faults), hidden) {
			t.Errorf("%s: the secret is told: %v", text, faults)
		}
	}
}

// TestLinks follows links inside the directory and none that lead out of it.
func TestLinks(t *testing.T) {
	home := t.TempDir()
	dir := home + "/conf"
	write(t, home+"/outside/secret.yaml", upstreamA)
	write(t, dir+"/..1/a.yaml", upstreamA)
	write(t, dir+"/..1/sub/b.yaml", strings.Replace(upstreamA, "name: a", "name: b", 1))
	link(t, "..1", dir+"/..data")
	link(t, "..data/a.yaml", dir+"/a.yaml")
	link(t, "..data/sub", dir+"/sub")
	link(t, "../conf", dir+"/loop-outside")
	link(t, ".", dir+"/loop")
	docs, faults := config.Load(dir, config.Options{})
	if len(faults) > 0 || len(docs.Upstreams) != 2 {
		t.Errorf("want two Upstreams by links, got %d: %v", len(docs.Upstreams), faults)
	}
	link(t, "../outside/secret.yaml", dir+"/out.yaml")
	write(t, dir+"/p.yaml", "schema: 1\nkind: Policy\nname: p\nfile: ./p.rego\n")
	link(t, "/etc/hostname", dir+"/p.rego")
	docs, faults = config.Load(dir, config.Options{})
	if len(faults) != 2 || len(docs.Upstreams) != 2 || docs.Files["p.rego"] != nil {
		t.Errorf("want a fault for each link that leads out, got %v", faults)
	}
	for _, f := range faults {
		if f.Code != gateway.CodeFile {
			t.Errorf("want %s, got %v", gateway.CodeFile, f)
		}
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/large.yaml", "schema: 1\n#"+strings.Repeat("x", 16<<20))
	_, faults := config.Load(dir, config.Options{})
	var got []string
	for _, f := range faults {
		got = append(got, string(f.Code)+" "+f.Place.File)
	}
	if diff := cmp.Diff([]string{"GH113 large.yaml", "GH109 pipe.yaml"}, got); diff != "" {
		t.Error(diff)
	}
	_, faults = config.Load(dir+"/missing", config.Options{})
	if len(faults) != 1 || faults[0].Code != gateway.CodeFile {
		t.Errorf("a missing directory: %v", faults)
	}
}

func TestTooManyFiles(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 10_001 {
		files[fmt.Sprintf("%05d.yaml", i)] = &fstest.MapFile{Data: []byte("schema: 1\n")}
	}
	_, faults := config.LoadFS(files, config.Options{})
	if !slices.ContainsFunc(faults, func(f gateway.Fault) bool { return f.Code == gateway.CodeTooLarge && f.Place.File == "10000.yaml" }) {
		t.Errorf("no %s among %d faults", gateway.CodeTooLarge, len(faults))
	}
}

// TestLayoutMakesNoDifference deals the documents of a case to files in any order, with their keys in any order and in any
// style, and wants the same model.
func TestLayoutMakesNoDifference(t *testing.T) {
	_, files := archive(t, "testdata/cases/bank.txtar")
	want, faults := config.LoadFS(files, config.Options{LookupEnv: environment})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	rest := fstest.MapFS{}
	for name, f := range files {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			rest[name] = f
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		docs := nodes(t, files)
		r.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		dealt := map[string][]string{}
		for _, doc := range docs {
			shuffle(r, doc)
			text, err := yaml.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			file := []string{"a.yaml", "b.yml", "z-z.yaml"}[r.IntN(3)]
			dealt[file] = append(dealt[file], string(text))
		}
		again := maps.Clone(rest)
		for file, docs := range dealt {
			again[file] = &fstest.MapFile{Data: []byte("schema: 1\n" + strings.Join(docs, "---\n"))}
		}
		got, faults := config.LoadFS(again, config.Options{LookupEnv: environment})
		if len(faults) > 0 {
			t.Fatalf("%v\n%s", faults, dealt)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(gateway.Documents{}, "Files", "Written"),
			cmpopts.IgnoreTypes(gateway.Origin{}), cmpopts.IgnoreFields(gateway.Policy{}, "File", "Line"),
			cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Fatalf("another model (-written +dealt):\n%s", diff)
		}
		if changes := config.Diff(want, got); len(changes) > 0 {
			t.Fatalf("what means the same differs: %+v\n%s", changes, dealt)
		}
	})
}

// nodes returns the documents of all files, without `schema`, in the files' order.
func nodes(t interface{ Fatal(...any) }, files fstest.MapFS) []*yaml.Node {
	var docs []*yaml.Node
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			continue
		}
		d := yaml.NewDecoder(bytes.NewReader(files[name].Data))
		for {
			var n yaml.Node
			err := d.Decode(&n)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			root := n.Content[0]
			if root.Content[0].Value == "schema" {
				root.Content = root.Content[2:]
			}
			docs = append(docs, root)
		}
	}
	return docs
}

// shuffle reorders the keys of all mappings, and writes some of them in one line.
func shuffle(r *rand.Rand, n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	if n.Kind == yaml.MappingNode {
		pairs := slices.Collect(slices.Chunk(n.Content, 2))
		r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		n.Content = slices.Concat(pairs...)
	}
	for _, inner := range n.Content {
		shuffle(r, inner)
		if inner.Kind != yaml.ScalarNode && r.IntN(2) == 0 {
			inner.Style |= yaml.FlowStyle
		}
	}
}
