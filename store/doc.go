// Package store keeps what must outlive the process: the history of configurations, what each node acknowledged last,
// rollouts, observed state, tokens to join, certificate authorities, what was
// issued to nodes and revoked, usage, and accounts.
//
// In: values of each concern, whose bodies (JSON of other rooms) are opaque here. Out: the same values, after a restart too.
//
// A method that changes something returns nil only when the change is on the disk: a kill or a power cut right after loses
// nothing of it, and what was not confirmed is there whole or not at all. After an error a change may have been made or not;
// ask before you make it again. Every method may be called by several goroutines, several processes may use one store
// at once (as two daemons do while one hands over to the other), and a call whose context has no deadline gets one.
//
// Times are kept in microseconds and come back in UTC. The zero time stays zero.
package store
