// Package e2e runs the daemon and real Envoys beside it, and holds what they do together against what the documents say: in
// this process where a test looks inside, and each as a process of its own where one is killed.
//
// In: directories of documents, as a user writes them. Out: nothing but verdicts. The tests carry the build tag e2e.
package e2e
