// Package redis keeps buckets in Redis or Valkey, for limits that several replicas share.
//
// In: charges. Out: results of the same arithmetic as package limiter's, which a script does there: all charges of a
// request in one step, all or none, by that server's clock. What nobody asks for any more goes by itself, at the moment from
// which on it would count nothing.
//
// Times are whole microseconds, as numbers of that script are exact below 2^53 only: a window is rounded up to the next. A
// limit above 2^48 counts as 2^48.
//
// Calls that come while others are under way go together, in one run of the script. What the server is known to refuse is refused
// here without asking, and what was borrowed by a lease is spent here: see refusals and leases.
//
// The server may go away at any time. A call waits for no longer than its context and Options.Timeout allow; after a few failures in
// a row none waits at all, until a look from the side finds the server answering: one connection is tried, less and less often,
// however many requests come.
//
// All keys begin with the same hash tag, so in a cluster all buckets are on one shard: one request's charges must be
// decided together, and a cluster does that within one slot only.
package redis
