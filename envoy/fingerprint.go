package envoy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Fingerprint returns a hash of a message in the form in which an Envoy shows it in a configuration dump: what the Envoy
// blackens there, the values of context extensions, has no part in it. Two messages with one fingerprint differ in nothing else.
func Fingerprint(m proto.Message) (string, error) {
	tree, err := decode(m)
	if err != nil {
		return "", err
	}
	blacken(tree)
	text, err := json.Marshal(tree)
	if err != nil {
		return "", fmt.Errorf("encode JSON: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// blacken makes all values of context extensions alike.
func blacken(value any) {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if extensions, ok := child.(map[string]any); ok && key == "context_extensions" {
				for name := range extensions {
					extensions[name] = "[redacted]"
				}
				continue
			}
			blacken(child)
		}
	case []any:
		for _, child := range value {
			blacken(child)
		}
	}
}
