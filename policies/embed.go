// Package policies holds the Rego that ships with Gatehouse.
//
// In: nothing. Out: the files, one folder for each thing that is decided by them; admin: who may do what through the
// management API. The tests beside them (rules named test_) run with the tests of package authz.
package policies

import "embed"

// Files are all policies, with their tests. The paths begin with the name of their folder.
//
//go:embed */*.rego
var Files embed.FS
