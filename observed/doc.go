// Package observed learns what stands in no document and changes without a new Revision.
//
// In: the Certificates of a Revision and the files that they name. Out: what these hold now, read and checked, for
// gateway.Observed, and a word whenever it may have changed. What cannot be used is a gateway.Fault; what was read before stays
// in use then.
package observed
