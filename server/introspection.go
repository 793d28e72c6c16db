package server

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse/gatehouse/authz/introspect"
)

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 64 << 10

// newIntrospection returns what asks issuers about opaque tokens.
func (s *Server) newIntrospection() (*introspect.Client, error) {
	client, err := introspect.New(introspect.Options{Logger: s.log, Now: s.options.Now, Secret: s.secret})
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	return client, nil
}

// secret resolves "env:NAME", or "file:PATH" below the directory of documents; a line feed at its end does not belong to it. It is
// read again each time, so that a new one counts at once. The error names the place and never what is there.
func (s *Server) secret(reference string) (string, error) {
	source, name, _ := strings.Cut(reference, ":")
	if source == "env" {
		text, found := s.options.Lookup(name)
		if !found {
			return "", fmt.Errorf("there is no environment variable %s", name)
		}
		return text, nil
	}
	file, err := os.Open(filepath.Join(s.options.Config, filepath.FromSlash(name)))
	if err != nil {
		return "", fmt.Errorf("open a secret: %w", err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
