package config_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/internal/golden"
)

// TestReference holds docs/documents.md against the types by which documents are read; -update writes it anew.
func TestReference(t *testing.T) {
	golden.Equal(t, "../docs/documents.md", config.Reference())
}
