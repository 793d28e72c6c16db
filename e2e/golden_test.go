package e2e_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/golden"
	"github.com/gatehouse/gatehouse/internal/needs"
)

// somewhere stands in goldens for the directory of the documents.
const somewhere = "/etc/gatehouse"

// TestGolden holds the Envoy configuration of every case against its committed file, and lets a real Envoy judge that file.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range goldenCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := envoy.RenderYAML(c.static(t, "/run/gatehouse"))
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, c.file(), bytes.ReplaceAll(got, []byte(c.dir), []byte(somewhere)))
			judged, err := os.ReadFile(c.file())
			if err != nil {
				t.Fatal(err)
			}
			judged = bytes.ReplaceAll(judged, []byte(somewhere), []byte(c.dir)) // Envoy reads the certificates.
			if err := envoy.Validate(t.Context(), needs.Envoy(t), judged); err != nil {
				t.Error(err)
			}
		})
	}
}
