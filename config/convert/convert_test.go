package convert_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/config/convert"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// What a case's test writes: the documents, and what is left.
const (
	documentsSection = "documents"
	leftSection      = "left"
)

// TestCases converts the files of each case and compares what comes out with what stands beside them.
func TestCases(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			whole := txtar.Parse(text)
			var files []convert.File
			var inputs []txtar.File
			for _, f := range whole.Files {
				if f.Name != documentsSection && f.Name != leftSection {
					files, inputs = append(files, convert.File{Name: f.Name, Text: f.Data}), append(inputs, f)
				}
			}
			var result convert.Result
			if strings.HasPrefix(filepath.Base(file), "openapi") {
				result, err = convert.OpenAPI(files[0], convert.OpenAPIOptions{})
			} else {
				result, err = convert.GatewayAPI(files)
			}
			if err != nil {
				t.Fatal(err)
			}
			var left bytes.Buffer
			for _, l := range result.Left {
				left.WriteString(l.String() + "\n")
			}
			whole.Files = append(inputs, txtar.File{Name: documentsSection, Data: result.Documents}, txtar.File{Name: leftSection, Data: left.Bytes()})
			golden.Equal(t, file, txtar.Format(whole))
		})
	}
}

// FuzzConvert holds that no file ends the program.
func FuzzConvert(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range cases {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(text).Files {
			f.Add(part.Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := convert.File{Name: "a.yaml", Text: text}
		for _, result := range []func() (convert.Result, error){
			func() (convert.Result, error) { return convert.GatewayAPI([]convert.File{file}) },
			func() (convert.Result, error) { return convert.OpenAPI(file, convert.OpenAPIOptions{}) },
		} {
			if got, err := result(); err == nil {
				for _, l := range got.Left {
					if l.File == "" || l.What == "" && l.Why == "" {
						t.Errorf("something is left of which nothing is told: %+v", l)
					}
				}
			}
		}
	})
}
