package bank.payments_test

import data.bank.payments

caller(method, customer, subject, role, scopes) := {
	"attributes": {"request": {"http": {"method": method}}},
	"gatehouse": {
		"path": {"customer": customer},
		"parameters": {"teller": "teller"},
		"identity": {"subject": subject, "scopes": scopes, "claims": {"role": role}},
	},
}

test_customer_reads_own if {
	payments.allow.allowed with input as caller("GET", "alice", "alice", "customer", ["payments:read"])
}

test_customer_does_not_read_others if {
	decision := payments.allow with input as caller("GET", "bob", "alice", "customer", ["payments:read"])
	decision == {"allowed": false, "reason": "not-your-payments"}
}

test_teller_reads_all if {
	payments.allow.allowed with input as caller("GET", "bob", "tina", "teller", ["payments:read"])
}

test_teller_pays_for_nobody if {
	decision := payments.allow with input as caller("POST", "bob", "tina", "teller", ["payments:write"])
	not decision.allowed
}

test_paying_needs_the_scope if {
	decision := payments.allow with input as caller("POST", "alice", "alice", "customer", ["payments:read"])
	decision == {"allowed": false, "reason": "scope-payments-write-missing"}
	payments.allow.allowed with input as caller("POST", "bob", "bob", "customer", ["payments:read", "payments:write"])
}
