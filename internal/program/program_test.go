package program_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/program"
)

func TestFindTakesTheFirstPlace(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	write(t, filepath.Join(root, "go.mod"), "module bank.test\n", 0o644)
	named := write(t, filepath.Join(root, "elsewhere", "proxy"), "binary", 0o755)
	venv := write(t, filepath.Join(root, ".tools", "venv", "bin", "proxy"), "binary", 0o755)
	onPath := write(t, filepath.Join(root, "path", "proxy"), "binary", 0o755)
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"GATEHOUSE_PROXY": named, "PATH": ":bin:" + filepath.Dir(onPath)}

	for _, step := range []struct{ want, remove string }{{named, "GATEHOUSE_PROXY"}, {venv, venv}, {onPath, onPath}} {
		got, err := program.Find("proxy", "GATEHOUSE_PROXY", lookup(env), deep)
		if err != nil {
			t.Fatal(err)
		}
		if got != step.want {
			t.Errorf("found %s, want %s", got, step.want)
		}
		delete(env, step.remove)
		_ = os.Remove(step.remove)
	}
	_, err := program.Find("proxy", "GATEHOUSE_PROXY", lookup(env), deep)
	if !errors.Is(err, program.ErrMissing) || !strings.Contains(err.Error(), venv) {
		t.Errorf("error %v does not name %s as a place that was searched", err, venv)
	}
}

func TestFindRefusesWhatTheVariableNamesInVain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plain := write(t, filepath.Join(dir, "plain"), "text", 0o644)
	good := write(t, filepath.Join(dir, "proxy"), "binary", 0o755)
	for _, path := range []string{filepath.Join(dir, "absent"), plain, dir} {
		env := map[string]string{"GATEHOUSE_PROXY": path, "PATH": filepath.Dir(good)}
		if got, err := program.Find("proxy", "GATEHOUSE_PROXY", lookup(env), dir); !errors.Is(err, program.ErrMissing) {
			t.Errorf("%s: found %q, error %v, want ErrMissing", path, got, err)
		}
	}
}

func TestFindLooksBehindALauncherScript(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := write(t, filepath.Join(dir, "bin", "proxy"), "#!/usr/bin/python3\n", 0o755)
	env := map[string]string{"PATH": filepath.Dir(script)}
	got, err := program.Find("proxy", "GATEHOUSE_PROXY", lookup(env), dir)
	if err != nil || got != script {
		t.Errorf("a script without a package: found %q, error %v, want the script", got, err)
	}
	behind := write(t, filepath.Join(dir, "lib", "python3.11", "site-packages", "proxy", "_bin", "proxy"), "binary", 0o755)
	got, err = program.Find("proxy", "GATEHOUSE_PROXY", lookup(env), dir)
	if err != nil || got != behind {
		t.Errorf("found %q, error %v, want %s", got, err, behind)
	}
}

// write makes a file with its folders and returns its path.
func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// lookup reads variables from a map, as os.LookupEnv does from the environment.
func lookup(env map[string]string) program.Lookup {
	return func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
}
