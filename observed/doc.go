// Package observed learns what stands in no document and changes without a new Revision: the addresses behind names, files of
// endpoints, key sets and certificates, and the endpoints that are pushed through the management API.
//
// In: the Revision that says what is wanted, a resolver, files, and pushes. Out: immutable values for gateway.Observed, and a
// word on a channel whenever there are new ones. What cannot be used is a gateway.Fault, and what was good before stays in use
// then; an empty set of endpoints is held back until somebody says that it is meant.
package observed
