//go:build !linux

package needs

import (
	"errors"
	"testing"
)

// Namespace is a network of its own; only Linux has them.
type Namespace struct{}

// NewNamespace ends the test.
func NewNamespace(t testing.TB, _ string) *Namespace {
	t.Helper()
	missing(t, "a network namespace", errors.ErrUnsupported)
	return nil
}

// Release gives the held address up.
func (n *Namespace) Release() error { return errors.ErrUnsupported }

// Within returns a program that runs another one in the network.
func (n *Namespace) Within(testing.TB, string) string { return "" }

// OwnNetwork ends the test.
func OwnNetwork(t testing.TB) bool {
	t.Helper()
	missing(t, "a network namespace", errors.ErrUnsupported)
	return false
}

// Cable connects a Namespace with the network of a test.
type Cable struct{ Here, There string }

// Plug connects the Namespace with the network of the test.
func (n *Namespace) Plug(testing.TB) *Cable { return &Cable{} }

// Cut lets nothing through any more.
func (c *Cable) Cut() {}

// Mend lets everything through again.
func (c *Cable) Mend() {}
