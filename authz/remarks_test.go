package authz_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/policies"
)

// TestExamine has one policy for each remark, and some without.
func TestExamine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rego, want string }{
		"nothing":    {"package a\ndefault allow := false\nallow if input.parsed_path[0] == \"pay\"\n", ""},
		"no default": {"package a\nallow if input.attributes.request.http.method == \"GET\"\n", "RG02:2"},
		"last else":  {"package a\nallow if input.version\nelse := false\n", ""},
		"an else":    {"package a\nallow if input.version\nelse := false if input.parsed_path\n", "RG02:2"},
		"no rego":    {"package a\nallow if {\n", "RG00:3"},
		"forbidden":  {"package a\ndefault allow := false\nallow if http.send({\"url\": input.version}).status_code == 200\n", "RG00:3"},
		"unused": {
			"package a\ndefault allow := false\nallow if {\n\tx := input.version\n\tinput.parsed_path[0] == \"pay\"\n}\n", "RG01:4",
		},
		"glob":     {"package a\ndefault allow := false\nallow if glob.match(input.gatehouse.parameters.pattern, [\"/\"], input.attributes.request.http.path)\n", "RG03:3"},
		"a glob":   {"package a\ndefault allow := false\nallow if glob.match(\"/pay/*\", [\"/\"], input.attributes.request.http.path)\n", ""},
		"status":   {"package a\ndefault allow := {\"allowed\": false, \"http_status\": 299}\nallow if input.version\n", "RG04:2"},
		"a status": {"package a\ndefault allow := {\"allowed\": false, \"http_status\": 451}\nallow if input.version\n", "RG04:2"},
		"teapot":   {"package a\ndefault allow := {\"allowed\": false, \"http_status\": 429}\nallow if input.version\n", ""},
		"constant": {"package a\ndefault allow := true\n", "RG05:1"},
		"clock":    {"package a\ndefault allow := false\nallow if time.now_ns() > 5\n", ""},
		"misspelt": {"package a\ndefault allow := false\nallow if input.attributes.request.http.metod == \"GET\"\n", "RG06:3"},
		"identity": {"package a\ndefault allow := false\nallow if input.gatehouse.identity.claims.any.thing == 1\n", ""},
	} {
		var got []string
		for _, r := range authz.Examine(&gateway.Policy{Name: name, Source: test.rego, File: "a.rego", Line: 1}) {
			got = append(got, r.Code+":"+strings.TrimPrefix(strings.Split(r.Place.String(), ":")[1], ":"))
			if r.Message == "" || r.Policy != name || r.Place.File != "a.rego" {
				t.Errorf("%s: %+v", name, r)
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestLibraryIsWithoutRemarks examines what ships with Gatehouse.
func TestLibraryIsWithoutRemarks(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(policies.Files, "library/*.rego")
	if err != nil || len(files) < 14 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(policies.Files, file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.rego") {
			continue
		}
		for _, r := range authz.Examine(&gateway.Policy{Name: file, Source: string(text), File: file, Line: 1}) {
			t.Errorf("%s: %s: %s", r.Place, r.Code, r.Message)
		}
	}
}

// TestExamineBundled has policies that see a bundle: they are looked over without it.
func TestExamineBundled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ rego, want string }{
		"data":      {"package a\ndefault allow := false\nallow if input.parsed_path[0] == data.bank.open\n", ""},
		"a remark":  {"package a\nallow if input.parsed_path[0] == data.bank.open\n", "RG02"},
		"functions": {"package a\nallow if data.bank.open(input.parsed_path)\n", ""},
		"no rego":   {"", ""},
	} {
		var got []string
		for _, r := range authz.Examine(&gateway.Policy{Name: name, Source: test.rego, Entry: "a/allow", Bundle: "bank", File: "a.rego", Line: 1}) {
			got = append(got, r.Code)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %q", name, got, test.want)
		}
	}
}
