// Package version tells which build of Gatehouse is running.
//
// In: what the linker and the Go toolchain wrote into the binary. Out: one value for `gatehouse version`, the build_info
// metric and the start-up line.
package version

import (
	"runtime/debug"
	"strings"
)

// version is set by the linker (see the Makefile), for example "v0.3.0" or "v0.3.0-4-g5f2c1d9".
var version string

// unknown stands where a binary does not tell, as in a test or under `go run`.
const unknown = "unknown"

// Build describes a binary of Gatehouse.
type Build struct {
	Version string `json:"version" yaml:"version"` // the release, or the tag and commits since
	Commit  string `json:"commit" yaml:"commit"`   // the git revision, with "-dirty" where files were changed
	Date    string `json:"date" yaml:"date"`       // when that revision was committed, RFC 3339
	Go      string `json:"go" yaml:"go"`           // the toolchain, as "go1.26.8"
}

// Read returns the description of the running binary. What the binary does not know is "unknown", never empty.
func Read() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return read(version, info)
}

// read puts together what the linker was told and what the toolchain recorded; a module version, as `go install` records
// it, stands in where the linker was told nothing.
func read(linked string, info *debug.BuildInfo) Build {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	commit := settings["vcs.revision"]
	if commit != "" && settings["vcs.modified"] == "true" {
		commit += "-dirty"
	}
	return Build{
		Version: first(linked, strings.Trim(info.Main.Version, "()")),
		Commit:  first(commit),
		Date:    first(settings["vcs.time"]),
		Go:      first(info.GoVersion),
	}
}

// first returns the first text that says something.
func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return unknown
}
