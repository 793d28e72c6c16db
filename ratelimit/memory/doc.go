// Package memory keeps buckets in this process: sharded, bounded and without a goroutine of its own.
//
// In: charges. Out: results, exact under concurrency. A bucket takes about 150 bytes, at most about 650; all that a store holds
// by default 80 to 340 MB, while somebody floods it.
//
// Bounded means that somebody who invents keys can push others out. Two rules make that hard. Each new bucket looks at a few
// old ones, in turn, and drops those that are empty: nothing is lost by that. Only where a shard is full and none of those
// looked at is empty, one that is not goes: one that was asked for only once rather than one asked for again, and of these the
// one with the smallest part of its limit spent. So invented keys push out each other, while the customer who has used four
// of five requests, and the attacker who has used them all, stay.
package memory
