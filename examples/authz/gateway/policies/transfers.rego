# Transfers are from the caller's own account, up to a bound, and to nobody who is blocked.
package bank.transfers

default allow := {"allowed": false, "reason": "not-a-transfer"}

order := input.parsed_body

allow := {"allowed": false, "reason": "not-your-account"} if {
	order.from != input.gatehouse.identity.subject
} else := {"allowed": false, "reason": "receiver-blocked"} if {
	order.to in data.bank.blocked
} else := {"allowed": false, "reason": "too-much"} if {
	order.amount > data.bank.bound
} else := {"allowed": true} if {
	is_string(order.to)
	order.amount > 0
}
