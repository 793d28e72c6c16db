//go:build e2e

package e2e_test

import "testing"

func slowClients(t *testing.T, p programs) {}
