package envoy

import (
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"
)

// Modes of what an Envoy's directory holds: who may read it learns where Gatehouse's sockets are and may use them.
const (
	dirMode = 0o700
)

// Prepare writes the files with which an Envoy joins, the endpoints first, into s.Dir, which is made where it is missing.
// It returns the path of the bootstrap, for `envoy -c`.
func Prepare(s Settings, services Services) (string, error) {
	bootstrap, err := Bootstrap(s)
	if err != nil {
		return "", err
	}
	if err := WriteEndpoints(s, services); err != nil {
		return "", err
	}
	if s.TrustDomain != "" {
		if err := writeSecrets(s); err != nil {
			return "", err
		}
	}
	if err := write(s.BootstrapFile(), bootstrap); err != nil {
		return "", err
	}
	return s.BootstrapFile(), nil
}

// WriteEndpoints tells an Envoy where Gatehouse is, now or anew: one file per cluster, each replaced by a rename, which
// Envoy notices. Nothing is written when one of the addresses is wrong.
func WriteEndpoints(s Settings, services Services) error {
	responses := make(map[string]proto.Message)
	for _, cluster := range gatehouseClusters() {
		response, err := endpointsOf(cluster, s.Zone, services.addresses(cluster))
		if err != nil {
			return err
		}
		responses[cluster] = response
	}
	if err := os.MkdirAll(s.EndpointsDir(), dirMode); err != nil {
		return fmt.Errorf("make the directory of endpoints: %w", err)
	}
	for _, cluster := range gatehouseClusters() {
		if err := write(s.endpointsFile(cluster), responses[cluster]); err != nil {
			return err
		}
	}
	return nil
}

// writeSecrets tells an Envoy where its key, its certificate and its trust bundle are.
func writeSecrets(s Settings) error {
	files, err := s.secrets()
	if err != nil {
		return fmt.Errorf("pack the secrets' places: %w", err)
	}
	for path, message := range files {
		if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
			return fmt.Errorf("make the directory of secrets: %w", err)
		}
		if err := write(path, message); err != nil {
			return err
		}
	}
	return nil
}

// write replaces a file by a message in YAML. Readers see the old content or the new, never a part.
func write(path string, m proto.Message) error {
	content, err := RenderYAML(m)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	// The temporary file's name starts with a dot and lies in the same directory: a rename works only within a file system.
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already when all went well
	if err := fill(temporary, content); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// fill writes and closes a file. It keeps mode 0600, which os.CreateTemp gave it.
func fill(file *os.File, content []byte) error {
	_, err := file.Write(content)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
