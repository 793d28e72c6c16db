// Package share divides a limit among Envoys that enforce their parts by themselves: by demand, max-min fair, so that all of
// them together never let more through than the limit, whatever is changed while it is divided.
//
// In: a Limit, who takes part, and from time to time what each has let through and refused. Out: an Assignment for each, a
// token bucket of whole numbers. It is arithmetic: the time is an argument, and nothing here waits or sends.
//
// What is promised, for every interval of length t: the Envoys together let at most Burst + Rate x t through. Three things
// stand against it, and each is accounted for:
//
//   - Nobody hears that an Envoy has taken up an Assignment. Until it must have, the greater of the old and the new counts.
//   - An Envoy that is gone may still let requests through. What it holds counts until its time to live has passed.
//   - An Envoy that takes up another Assignment begins with a full bucket, whatever was left in the old one. Each such burst is
//     paid out of a credit, which is what of Burst nobody holds, and which grows by the rate that nobody is assigned.
//
// The promise holds while an Assignment reaches its Envoy within Settings.Margin after it was given.
package share
