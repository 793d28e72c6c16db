package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/gatehouse/gatehouse/gateway"
)

// Source is a named set of files as somebody handed them in. A configuration is the union of its sources; the truth is their text.
type Source struct {
	// Name tells sources apart; empty: the watched directory.
	Name string
	// Team is whose the source is; empty: the platform's. It is not for documents to say.
	Team string
	// Files are the files by their paths inside the source: documents, and what they include.
	Files map[string][]byte
	// Dir is read in the place of Files where it is given.
	Dir string
}

// Where the files of a source are among all files of a configuration. The folder is hidden, so that no directory of documents
// is taken for it.
const (
	sourcesFolder = ".sources/"
	sourceFile    = ".source"
)

// Bounds of what is handed in.
const (
	maxSourceName  = 100
	maxSourcePath  = 1_000
	maxSourceBytes = 48 << 20
)

// binding is what the file .source of a source holds.
type binding struct {
	Team string `json:"team"`
}

// SplitSources returns the sources of a configuration's files (gateway.Documents.Files), by name; the watched directory, if it has
// files, is the first.
func SplitSources(files map[string][]byte) ([]Source, error) {
	byName := map[string]*Source{}
	for file, text := range files {
		name, inside := "", file
		if rest, ok := strings.CutPrefix(file, sourcesFolder); ok {
			if name, inside, ok = strings.Cut(rest, "/"); !ok || CheckSourceName(name) != nil {
				return nil, fmt.Errorf("the file %s belongs to no source", file)
			}
		}
		s := byName[name]
		if s == nil {
			s = &Source{Name: name, Files: map[string][]byte{}}
			byName[name] = s
		}
		if name == "" || inside != sourceFile {
			s.Files[inside] = text
			continue
		}
		var b binding
		if err := json.Unmarshal(text, &b); err != nil {
			return nil, fmt.Errorf("what is said of the source %s cannot be read: %w", name, err)
		}
		s.Team = b.Team
	}
	var all []Source
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return all, nil
}

// JoinSources returns the files of a configuration as they are stored. A source without files leaves no trace.
func JoinSources(sources []Source) map[string][]byte {
	all := map[string][]byte{}
	for _, s := range sources {
		maps.Copy(all, s.stored(s.Files))
	}
	return all
}

// stored returns files of the source by their paths in the configuration.
func (s Source) stored(files map[string][]byte) map[string][]byte {
	if s.Name == "" || len(files) == 0 {
		return files
	}
	all := make(map[string][]byte, len(files)+1)
	for file, text := range files {
		all[s.path(file)] = text
	}
	if s.Team != "" {
		text, err := json.Marshal(binding{Team: s.Team})
		if err == nil { // A string always marshals.
			all[s.path(sourceFile)] = text
		}
	}
	return all
}

// path returns where a file of the source is among those of a configuration.
func (s Source) path(file string) string {
	if s.Name == "" {
		return file
	}
	return sourcesFolder + s.Name + "/" + file
}

// CheckSourceName tells why a text cannot be the name of a source.
func CheckSourceName(name string) error {
	usable := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	switch {
	case name == "":
		return errors.New("the source has no name: name the project")
	case len(name) > maxSourceName:
		return fmt.Errorf("the source's name has more than %d characters", maxSourceName)
	case name[0] == '.' || strings.ContainsFunc(name, func(c rune) bool { return !usable(c) }):
		return fmt.Errorf("%q cannot be the name of a source: write letters, digits, and - _ . inside", name)
	}
	return nil
}

// Check returns what is wrong with how the files of a source are named, how many and how large they are. What is in them is not
// looked at.
func (s Source) Check() gateway.Faults {
	var faults gateway.Faults
	report := func(code gateway.Code, file, format string, args ...any) {
		faults = append(faults, gateway.Fault{
			Code: code, Place: gateway.Place{Source: s.Name, File: file}, Message: fmt.Sprintf(format, args...),
		})
	}
	if len(s.Files) > maxFiles {
		report(gateway.CodeTooLarge, ".", "%d files, and %d are taken: leave out what is no configuration", len(s.Files), maxFiles)
		return faults
	}
	total := 0
	for _, file := range slices.Sorted(maps.Keys(s.Files)) {
		total += len(s.Files[file])
		if reason := s.misplaced(file); reason != "" {
			report(gateway.CodeFile, shown(file), "%s", reason)
		}
		if len(s.Files[file]) > maxFileBytes {
			report(gateway.CodeTooLarge, shown(file), "the file is larger than 16 MiB: split it")
		}
	}
	if total > maxSourceBytes {
		report(gateway.CodeTooLarge, ".", "%d MiB of files, and %d are taken: leave out what is no configuration", total>>20, maxSourceBytes>>20)
	}
	return faults
}

// misplaced tells why a file cannot be at a path.
func (s Source) misplaced(file string) string {
	switch {
	case !fs.ValidPath(file) || file == "." || strings.ContainsAny(file, "\\\x00"):
		return "this is no path inside the source: write it with slashes, without . and .., and not from the root"
	case strings.ContainsFunc(file, func(c rune) bool { return !unicode.IsPrint(c) }):
		return "the path has a character that cannot be seen: rename the file"
	case len(file) > maxSourcePath:
		return fmt.Sprintf("the path has more than %d bytes: shorten it", maxSourcePath)
	case strings.HasPrefix(file, sourcesFolder) || file == sourceFile:
		return "the name is Gatehouse's own: choose another"
	}
	for folder := path.Dir(file); folder != "."; folder = path.Dir(folder) {
		if _, both := s.Files[folder]; both {
			return folder + " is a file and a folder: keep one"
		}
	}
	return ""
}

// compareSources orders sources by name.
func compareSources(a, b Source) int { return cmp.Compare(a.Name, b.Name) }
