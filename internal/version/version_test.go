package version

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	installed := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.3.0"}}
	built := &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Version: "(devel)"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "5f2c1d9"},
			{Key: "vcs.time", Value: "2026-11-23T01:00:00Z"},
			{Key: "vcs.modified", Value: "true"},
		},
	}
	tests := []struct {
		name   string
		linked string
		info   *debug.BuildInfo
		want   Build
	}{
		{"make build", "v0.3.0-4-g5f2c1d9", built, Build{"v0.3.0-4-g5f2c1d9", "5f2c1d9-dirty", "2026-11-23T01:00:00Z", "go1.26.8"}},
		{"go build", "", built, Build{"devel", "5f2c1d9-dirty", "2026-11-23T01:00:00Z", "go1.26.8"}},
		{"go install", "", installed, Build{"v0.3.0", unknown, unknown, "go1.26.8"}},
		{"nothing known", "", &debug.BuildInfo{}, Build{unknown, unknown, unknown, unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, read(tt.linked, tt.info)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestReadThisBinary(t *testing.T) {
	t.Parallel()
	if got := Read().Go; got != runtime.Version() {
		t.Errorf("toolchain %q, want %q", got, runtime.Version())
	}
}
