package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/internal/golden"
)

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gatehouse.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gatehouse.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// values reads the documents of a file as an editor does.
func values(t testing.TB, text []byte) []any {
	t.Helper()
	var all []any
	d := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, value)
	}
}

func TestSchemaIsAsItWas(t *testing.T) {
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.Schema()
	if err != nil || !bytes.Equal(text, again) {
		t.Fatalf("two calls differ: %v", err)
	}
	golden.Equal(t, "testdata/schema.json", text)
}

// TestSchemaAcceptsWhatLoadAccepts holds every example, and every case without faults, against the schema.
func TestSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	schema := compiled(t)
	count := 0
	check := func(name string, text []byte) {
		if bytes.Contains(text, []byte("openapi")) && !bytes.Contains(text, []byte("kind:")) {
			return
		}
		for i, v := range values(t, text) {
			count++
			if err := schema.Validate(v); err != nil {
				t.Errorf("%s, document %d: %v", name, i+1, err)
			}
		}
	}
	err := filepath.WalkDir("../examples", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".yaml" || strings.Contains(file, "openapi") || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		text, err := os.ReadFile(file)
		check(file, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bank", "contract"} {
		_, files := archive(t, "testdata/cases/"+name+".txtar")
		for file, f := range files {
			if ext := filepath.Ext(file); (ext == ".yaml" || ext == ".yml") && bytes.HasPrefix(f.Data, []byte("schema: 1")) && file != "json.yaml" { // A date to YAML 1.1.
				check(name+"/"+file, f.Data)
			}
		}
	}
	if count < 20 {
		t.Fatalf("only %d documents were checked", count)
	}
}

func TestSchemaRefusesMistakes(t *testing.T) {
	schema := compiled(t)
	const upstream = "kind: Upstream\nname: a\nendpoints: [{address: '10.0.0.1:80'}]\n"
	if err := schema.Validate(values(t, []byte(upstream))[0]); err != nil {
		t.Fatalf("what is right is refused: %v", err)
	}
	for name, text := range map[string]string{
		"no kind":               "name: a",
		"no name":               "kind: Policy\nrego: package a",
		"unknown kind":          "kind: Gatway\nname: a",
		"unknown field":         upstream + "endpionts: []",
		"unknown inner field":   upstream + "health: {path: /, intervall: 1s}",
		"reserved field":        "kind: API\nname: a\nversion: v1\nproducts: []",
		"unknown protocol":      "kind: Route\nname: a\nprotocol: udp",
		"bad duration":          upstream + "timeout: 5",
		"bad percentage":        upstream + "retries: {budget: 20}",
		"no endpoints":          "kind: Upstream\nname: a\nendpoints: []",
		"host name":             "kind: Upstream\nname: a\nendpoints: [{address: 'bank.test'}]",
		"port out of range":     "kind: Gateway\nname: a\nlisteners: [{name: a, port: 80800}]",
		"port as text":          "kind: Gateway\nname: a\nlisteners: [{name: a, port: '80'}]",
		"hosts without list":    "kind: Gateway\nname: a\nlisteners: [{name: a, port: 80, hosts: a.test}]",
		"version as number":     "kind: API\nname: a\nversion: 1.5",
		"no version":            "kind: API\nname: a",
		"authenticate nobody":   "kind: Route\nname: a\nauthenticate: nobody",
		"limit without per":     "kind: Route\nname: a\nlimits: [{name: a, limit: 5}]",
		"unknown limit key":     "kind: Route\nname: a\nlimits: [{name: a, key: user, limit: 5, per: 1m}]",
		"path and path-regex":   "kind: Route\nname: a\nmatch: {path: /, path-regex: /.*}",
		"path without slash":    "kind: Route\nname: a\nmatch: {path: a}",
		"present is false":      "kind: Route\nname: a\nmatch: {headers: {x: {present: false}}}",
		"literal secret":        "kind: Issuer\nname: a\nissuer: a\njwks: {file: a}\nmint: {key: abc, tokens: {}}",
		"file and rego":         "kind: Policy\nname: a\nrego: package a\nfile: a.rego",
		"neither file nor rego": "kind: Policy\nname: a",
		"other schema":          "schema: 2\nkind: Policy\nname: a\nrego: package a",
		"bad name":              "kind: Policy\nname: a b\nrego: package a",
	} {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(values(t, []byte(text))[0]); err == nil {
				t.Errorf("the schema accepts\n%s", text)
			}
			_, faults := config.LoadFS(single("schema: 1\n"+strings.TrimPrefix(text, "schema: 2\n")), config.Options{})
			if len(faults) == 0 && name != "other schema" {
				t.Errorf("Load accepts\n%s", text)
			}
		})
	}
}

// TestSchemaDescribesEveryField keeps a field from being added without a word about it.
func TestSchemaDescribesEveryField(t *testing.T) {
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	count := 0
	var walk func(where string, v any)
	walk = func(where string, v any) {
		switch v := v.(type) {
		case []any:
			for _, inner := range v {
				walk(where, inner)
			}
		case map[string]any:
			if properties, ok := v["properties"].(map[string]any); ok && !strings.Contains(where, "/if") {
				for name, p := range properties {
					count++
					if d, _ := p.(map[string]any)["description"].(string); !strings.HasSuffix(d, ".") {
						t.Errorf("%s/%s has no description that is a sentence: %q", where, name, d)
					}
				}
			}
			for key, inner := range v {
				walk(where+"/"+key, inner)
			}
		}
	}
	walk("", root)
	if count < 60 {
		t.Fatalf("only %d fields found", count)
	}
}
