// Package e2e runs the daemon in this process and real Envoys beside it, and holds what they do together against what the
// documents say.
//
// In: directories of documents, as a user writes them. Out: nothing but verdicts. The tests carry the build tag e2e.
package e2e
