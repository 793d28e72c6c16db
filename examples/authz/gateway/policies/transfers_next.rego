# Larger amounts would need a teller.
package bank.transfers_next

default allow := {"allowed": false, "reason": "needs-a-teller"}

allow if input.parsed_body.amount <= 100
allow if "teller" in input.gatehouse.identity.roles
