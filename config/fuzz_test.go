package config_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// FuzzLoad reads directories of any content. Each fault must have a known code and a place inside the input, and what has no
// faults must be whole, and what is dumped of it the same.
func FuzzLoad(f *testing.F) {
	cases, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range cases {
		whole, _ := archive(f, file)
		f.Add(txtar.Format(whole))
	}
	f.Add([]byte("{")) // txtar ends every file with a line break.
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("-- --")) {
			t.Skip("txtar panics at a marker without a name")
		}
		files := fstest.MapFS{"all.yaml": &fstest.MapFile{Data: text}}
		for _, f := range txtar.Parse(text).Files {
			if filepath.IsLocal(f.Name) && !strings.Contains(f.Name, "\\") {
				files[filepath.ToSlash(filepath.Clean(f.Name))] = &fstest.MapFile{Data: f.Data}
			}
		}
		memory := &config.Memory{}
		docs, faults := config.LoadFS(files, config.Options{LookupEnv: environment, Memory: memory})
		if _, again := config.LoadFS(files, config.Options{LookupEnv: environment, Memory: memory}); len(again) != len(faults) {
			t.Errorf("loaded again, with memory, it has %d faults, at first it had %d", len(again), len(faults))
		}
		for _, fault := range faults {
			checkFault(t, files, fault)
		}
		faulty := len(docs.Broken) > 0
		for _, api := range docs.APIs {
			faulty = faulty || api.Faulty
		}
		if faulty && len(faults) == 0 {
			t.Errorf("something is left out, and no fault says why: %v", docs.Broken)
		}
		if len(faults) == 0 && !includesDocuments(docs) {
			checkDump(t, files, docs)
		}
		if len(faults) == 0 {
			if rev, faults := gateway.Assemble(docs, nil); rev == nil && len(faults) == 0 {
				t.Error("sound documents become neither a revision nor faults")
			}
		}
	})
}

// includesDocuments reports documents that include documents, say as Rego: a dump of these is read as more than it was.
func includesDocuments(docs *gateway.Documents) bool {
	dump := config.Dump(docs)
	for _, w := range docs.Written {
		if text, ok := dump[w.Origin().File]; ok && bytes.Equal(text, docs.Files[w.Origin().File]) {
			return true
		}
	}
	return false
}

func checkFault(t *testing.T, files fstest.MapFS, fault gateway.Fault) {
	t.Helper()
	if _, ok := gateway.Explain(fault.Code); !ok {
		t.Errorf("no such code: %v", fault)
	}
	if fault.Message == "" || strings.Contains(fault.Message, "\n") {
		t.Errorf("the message is not one line: %q", fault.Message)
	}
	file, ok := files[fault.Place.File]
	if !ok {
		t.Errorf("no such file: %v", fault)
		return
	}
	// YAML has more line breaks than one (YAML 1.1, 5.4).
	breaks := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	lines := strings.Count(breaks.Replace(string(file.Data)), "\n") + 1
	if fault.Place.Line < 0 || fault.Place.Line > lines || (fault.Place.Line > 0 && fault.Place.Column < 1) {
		t.Errorf("the place is outside the file of %d lines: %v", lines, fault)
	}
}
