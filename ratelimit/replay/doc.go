// Package replay takes recorded requests again by proposed limits, to tell who would have been refused.
//
// In: a Revision with the limits, and decisions as the decision log records them, in the order of time. Out: for each the limit that
// would have refused it, or which limits cannot be judged as the record lacks what they count by. The buckets are a store of its own,
// and its time is that of the records: nothing that counts is touched.
package replay
