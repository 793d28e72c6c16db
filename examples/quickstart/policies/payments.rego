# Who may do what with payments: customers read their own, those with the scope payments:write make their own, and tellers
# read everybody's.
package bank.payments

reading := input.attributes.request.http.method == "GET"

own if input.gatehouse.identity.subject == input.gatehouse.path.customer

teller if input.gatehouse.identity.claims.role == input.gatehouse.parameters.teller

allow := {"allowed": true} if {
	reading
	own
} else := {"allowed": true} if {
	reading
	teller
} else := {"allowed": false, "reason": "not-your-payments"} if {
	not own
} else := {"allowed": true} if {
	"payments:write" in input.gatehouse.identity.scopes
} else := {"allowed": false, "reason": "scope-payments-write-missing"}
