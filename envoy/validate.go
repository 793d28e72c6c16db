package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ErrRefused tells that Envoy judged a configuration and refuses it; the text of the error is Envoy's reason.
var ErrRefused = errors.New("envoy refuses the configuration")

// validateTimeout bounds one judgement: 5,000 routes take about a second (envoy-facts 15).
const validateTimeout = time.Minute

// Validate asks a real Envoy whether it would start with a configuration, YAML or JSON: `envoy --mode validate`. It
// returns nil, an error that wraps ErrRefused, or another error when Envoy could not be asked. Envoy checks neither
// whether a port is free nor the clusters that routes inside a matcher tree name (envoy-facts 2, 15).
func Validate(ctx context.Context, binary string, config []byte) error {
	// The configuration may hold private keys: the directory is for its owner alone and goes away at once.
	dir, err := os.MkdirTemp("", "gatehouse-validate-")
	if err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "envoy"+extension(config))
	if err := os.WriteFile(path, config, 0o600); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, binary, "--mode", "validate", "-c", path,
		"--disable-hot-restart", "--log-level", "error", "--log-format", "%v")
	output, err := command.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("validate: envoy gave no answer: %w", context.Cause(ctx))
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return fmt.Errorf("%w: %s", ErrRefused, reason(string(output), path))
	default:
		return fmt.Errorf("validate: run %s: %w", binary, err)
	}
}

// extension returns the file name's end by which Envoy chooses its parser. Its JSON parser is much the faster one.
func extension(config []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(config), []byte("{")) {
		return ".json"
	}
	return ".yaml"
}

// reason returns what Envoy found wrong. Left out are the path of the file, which the caller never saw, and
// the whole configuration, which Envoy repeats after a parse error: it may hold secrets.
func reason(output, path string) string {
	text := output
	if _, after, found := strings.Cut(output, "error initializing configuration '"+path+"': "); found {
		text = after
	}
	if before, _, found := strings.Cut(text, "): {"); found {
		text = before + ")"
	}
	return Plain(strings.ReplaceAll(text, path, "the configuration"))
}

// Plain returns a message of Envoy on one line. Envoy starts the debug text of a protobuf message with a word and a number
// of spaces that it chooses anew each time, so that nobody depends on the text (envoy-facts 10): both are left out.
func Plain(message string) string {
	words := slices.DeleteFunc(strings.Fields(message), func(word string) bool {
		return strings.HasPrefix(word, "goo.gle/debug")
	})
	return strings.Join(words, " ")
}
