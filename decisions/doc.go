// Package decisions is the decision log: what was decided about requests, by whom and why, kept for people and for tools.
//
// In: decisions that are not written yet (Pending), given by the authorization service and by who reads the access log; they wait in
// a bounded queue, and Put never waits. Out: JSON lines to a file or the standard output, and a bounded journal on disk, which
// is asked by request id or from a time on. Policies that are passed in take out, replace or drop what shall not be written.
// What cannot be written is counted, and changes no answer.
package decisions
