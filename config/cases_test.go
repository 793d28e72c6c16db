package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// outputs are the sections of a case that the test writes.
const (
	faultsSection = "faults"
	modelSection  = "model"
)

// archive reads a case: its files as a file system, and the rest of it.
func archive(t testing.TB, file string) (*txtar.Archive, fstest.MapFS) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	whole := txtar.Parse(text)
	files := fstest.MapFS{}
	var inputs []txtar.File
	for _, f := range whole.Files {
		if f.Name == faultsSection || f.Name == modelSection {
			continue
		}
		files[f.Name] = &fstest.MapFile{Data: f.Data}
		inputs = append(inputs, f)
	}
	whole.Files = inputs
	return whole, files
}

// environment is where the cases' secrets are looked up.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"BUNDLE_TOKEN": "correct horse battery staple",
		"TEST_KEY":     `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
		"NO_KEY":       "correct horse battery staple",
	}[name]
	return value, ok
}

// TestCases loads the documents of each case and compares the faults, or the model where there are none, with what stands
// beside them.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(path.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			whole, files := archive(t, file)
			docs, faults := config.LoadFS(files, config.Options{LookupEnv: environment})
			faults = append(faults, docs.Watched...).Sort()
			if len(faults) > 0 {
				whole.Files = append(whole.Files, txtar.File{Name: faultsSection, Data: written(faults)})
			}
			if len(faults) == 0 || bytes.Contains(whole.Comment, []byte("shows the model")) {
				whole.Files = append(whole.Files, txtar.File{Name: modelSection, Data: modelOf(t, docs)})
			}
			golden.Equal(t, file, txtar.Format(whole))
		})
	}
}

// written writes faults as a person sees them, each followed by what it says to machines.
func written(faults gateway.Faults) []byte {
	var b bytes.Buffer
	for _, f := range faults {
		fmt.Fprintf(&b, "%s\n    %s", f.Error(), or(f.Object.String(), "no object"))
		if f.Team != "" {
			fmt.Fprintf(&b, " of %s", f.Team)
		}
		fmt.Fprintf(&b, ", %s\n", or(f.Field, "no field"))
	}
	return b.Bytes()
}

func or(s, other string) string {
	if strings.TrimSpace(s) == "" {
		return other
	}
	return s
}

// modelOf writes what was read, without the files' bytes.
func modelOf(t *testing.T, docs *gateway.Documents) []byte {
	t.Helper()
	var broken []string
	for ref := range docs.Broken {
		broken = append(broken, ref.String())
	}
	slices.Sort(broken)
	type api struct {
		*gateway.API
		IsFaulty bool `json:",omitzero"`
	}
	var apis []api
	for _, a := range docs.APIs {
		apis = append(apis, api{API: a, IsFaulty: a.Faulty})
	}
	type issuer struct {
		*gateway.Issuer
		KeySet string
		Mints  any
	}
	var issuers []issuer
	for _, i := range docs.Issuers {
		out := issuer{Issuer: i, KeySet: string(i.KeySet)}
		if i.Mint != nil {
			out.Mints = i.Mint.Tokens
		}
		issuers = append(issuers, out)
	}
	text, err := json.MarshalIndent(map[string]any{
		"gateways": docs.Gateways, "upstreams": docs.Upstreams, "apis": apis, "issuers": issuers, "policies": docs.Policies, "certificates": docs.Certificates,
		"broken": broken,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}
