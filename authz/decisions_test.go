package authz_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// settings is the file route.json of a decision: how the route of the test uses the policies.
type settings struct {
	Path   string
	Public bool
	Proofs []struct {
		Issuer string
		Scopes []string
	}
	With  map[string]any
	Entry string
	Data  map[string]any
}

// TestDecisions runs every file of testdata/decisions: policies (*.rego, in order), the route, a CheckRequest and the
// CheckResponse it gets, which -update writes.
func TestDecisions(t *testing.T) {
	files, err := filepath.Glob("testdata/decisions/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no decisions: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rev, check := readDecisionFile(t, archive)
			service := newService(patient)
			service.Use(compiled(t, rev, nil))
			response, err := service.Check(t.Context(), check)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := proto.Marshal(response); err != nil {
				t.Errorf("the answer cannot be sent: %v", err)
			}
			setFile(archive, "response.json", indented(t, response))
			golden.Equal(t, file, txtar.Format(archive))
		})
	}
}

// readDecisionFile returns the revision of one route that the file describes, and its request.
func readDecisionFile(t *testing.T, archive *txtar.Archive) (*gateway.Revision, *authv3.CheckRequest) {
	t.Helper()
	route := &gateway.Route{
		Name: "payments/v1/getPayment", API: "payments", Version: "v1", Operation: "getPayment",
		Action: gateway.ActionForward, Rules: "r1",
	}
	check := &authv3.CheckRequest{}
	var s settings
	for _, f := range archive.Files {
		var err error
		switch {
		case f.Name == "route.json":
			err = json.Unmarshal(f.Data, &s)
		case f.Name == "request.json":
			err = protojson.Unmarshal(f.Data, check)
		case strings.HasSuffix(f.Name, ".rego"):
			p := &gateway.Policy{Name: strings.TrimSuffix(f.Name, ".rego"), Source: string(f.Data), File: f.Name, Line: 1}
			route.Authorize = append(route.Authorize, gateway.AppliedPolicy{Policy: p})
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
	}
	route.Public = s.Public
	for _, p := range s.Proofs {
		route.Ways = append(route.Ways, gateway.Way{{Kind: gateway.ByJWT, Issuer: &gateway.Issuer{Issuer: p.Issuer}, Scopes: p.Scopes}})
	}
	for i := range route.Authorize {
		route.Authorize[i].Parameters = s.With
		route.Authorize[i].Policy.Entry = s.Entry
		route.Authorize[i].Policy.Data = s.Data
	}
	if s.Path != "" {
		path, err := gateway.ParsePath(s.Path)
		if err != nil {
			t.Fatal(err)
		}
		route.Match.Path = path
	}
	return revision(route), check
}

func setFile(archive *txtar.Archive, name string, data []byte) {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			archive.Files[i].Data = data
			return
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
}

// indented returns a message as JSON that is the same for the same message; protojson's own spaces are not.
func indented(t *testing.T, m proto.Message) []byte {
	t.Helper()
	text, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}
