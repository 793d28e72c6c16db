// Package rollout moves the Envoys of a fleet from one version of the configuration to another in waves, and puts them back
// when a gate breaks.
//
// In: a State, what somebody wants (Begin, Pause, Resume, Abort) and an Observation: the nodes, their refusals and the access
// log's figures. Out: the next State, and Events that say what happened. State.Assignment tells which version each node is to
// have; it depends on the State alone. The state machine is pure: it has no clock, starts nothing and stores nothing, so that
// a State that was read from a store goes on where another process left it.
//
// At any time there are two versions in a fleet at most: Base, which finished last and which every node has that no wave has
// reached, new and restarting nodes included; and the version that rolls out. A newer version supersedes a rollout: nodes of
// its own first wave get it, all others go back to Base, so that nobody stays on what nobody will judge any more.
//
// Engine is the goroutine around it: it observes, steps, has each State stored before it is delivered, and tells who asks.
package rollout
