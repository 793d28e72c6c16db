// Package cache is Gatehouse's delta ADS server: it brings one immutable Snapshot per fleet to every Envoy of that fleet,
// and knows what each of them has accepted.
//
// In: snapshots (NewSnapshot from Envoy's own messages, Server.Use), and the streams of Envoys. Out: delta responses, and
// the truth about every node (Server.Nodes, Server.Counters). It knows nothing of APIs or routes: a resource is a type, a
// name, bytes, the hash of those bytes, and the document's line to blame.
//
// Three parts, each testable without the next:
//
//   - Snapshot: what a fleet should have. A version is a content hash, so unchanged content is never sent again, after a
//     restart of either side neither.
//   - stream: the state machine of one stream, pure: requests, snapshots and expired waits in, responses out. One response
//     per type is outstanding at a time; what changes meanwhile coalesces.
//   - Server and session: the goroutines, clocks and bounds around it.
//
// The order on a stream is make before break: clusters, endpoints, secrets and filter configurations; then, when Envoy has
// acknowledged the clusters (it does so when they are warm), listeners, route configurations and virtual hosts; and when
// those are acknowledged too and a grace has passed, the removal of what nothing uses. Each wait is bounded, and none holds up
// more than it must (docs/adr, the order of delivery). Of a refused response the guilty resource is found by halving, and the
// book knows whose fault it is (docs/adr, halving).
package cache
