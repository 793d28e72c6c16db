// Package assign answers Envoy's rate limit quota protocol (envoy.service.rate_limit_quota.v3): each Envoy enforces its part of
// a limit by itself, without a call for each request, and tells every five seconds what it has let through and refused.
//
// What flows in: a gateway.Revision, compiled into a Table and put to use; streams of reports. What flows out: assignments, by
// the arithmetic of package share, and counters. What is assigned stands in a Book before it is sent, so that a process that
// takes over, or another replica, never gives away what an Envoy still has. Assignments are renewed with each report; an Envoy
// that hears nothing for Life does what its limit says for when Gatehouse is away.
package assign
