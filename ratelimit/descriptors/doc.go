// Package descriptors is the rate limit service for Envoys that others configure, with the files of envoyproxy/ratelimit: a
// request brings a domain and lists of keys and values, and the files say which limit such a list has.
//
// The words, beside those of package ratelimit:
//
//   - Domain: what a file is about. Domains know nothing of each other.
//   - Entry: a key and a value. A request's descriptor is a list of entries.
//   - Rule: what a file writes under `descriptors:`: a key, perhaps a value or the beginning of one (a wildcard), perhaps a limit,
//     perhaps rules for the entry after it.
//   - Advisory: a limit in shadow mode or quota mode. It counts, and refuses nothing.
//
// What flows in: files (Read), compiled to a Config (Load), which is put to use; then RateLimitRequests, over gRPC or as JSON. What
// flows out: a RateLimitResponse with limit, remaining and reset for each descriptor; a gRPC error for a request without sense and
// for a store that is away; counters. docs/compatibility.md says where the answers differ from envoyproxy/ratelimit's.
package descriptors
