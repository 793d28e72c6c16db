// Package ratelimit is the rate-limit service: it answers Envoy's question whether a request may still be served within its
// route's limits (envoy.service.ratelimit.v3).
//
// The words, in the order in which they are needed:
//
//   - Limit: what a person wrote: at most `limit` requests per `per` for each value of `key`. It has a name and a scope: the
//     API version, or the operation, under which it was written. All routes of a scope share it.
//   - Window: the arithmetic of a limit: in no interval of length `per` more than `limit` (package limiter).
//   - Bucket: what was spent for one limit and one value of its key. It lives in a store and nowhere else.
//   - Cost: how much one request spends; 1 unless Envoy says otherwise (hits_addend).
//   - Charge: one limit's question about one request: bucket, window and cost.
//   - Spend: take the charges of a request from their buckets, all or none. A refused request spends nothing.
//   - Descriptor: how a charge travels from Envoy: the rules hash of the route, the limit's name, the key's values.
//   - Rules: what a route carries; here its limits, found by the hash in a Table.
//
// What flows in: a gateway.Revision, compiled into a Table and put to use; then RateLimitRequests. What flows out: a
// RateLimitResponse with limit, remaining and reset for each descriptor; gRPC UNAVAILABLE for whatever is not understood, so
// that the failure mode of the route decides; and counters. The service matches no request against anything: which limits
// apply came with the route.
//
// Beside it: limiter is the pure arithmetic, memory a Store in this process, storetest what every Store must pass.
package ratelimit
