package bank.transfers_test

import data.bank.transfers

ordered(body) := {"parsed_body": body, "gatehouse": {"identity": {"subject": "alice"}}}

decision(body) := result if {
	result := transfers.allow with input as ordered(body)
		with data.bank.blocked as ["mallory"]
		with data.bank.bound as 1000
}

test_own_money_may_be_sent if {
	decision({"from": "alice", "to": "bob", "amount": 20}).allowed
}

test_other_peoples_money_may_not if {
	decision({"from": "bob", "to": "alice", "amount": 20}).reason == "not-your-account"
}

test_a_blocked_receiver_gets_nothing if {
	decision({"from": "alice", "to": "mallory", "amount": 20}).reason == "receiver-blocked"
}

test_more_than_the_bound_is_refused if {
	decision({"from": "alice", "to": "bob", "amount": 1001}).reason == "too-much"
}

test_a_body_that_is_no_transfer_is_refused if {
	decision({"from": "alice"}).reason == "not-a-transfer"
	decision({"from": "alice", "to": "bob", "amount": 0}).reason == "not-a-transfer"
	decision(null).reason == "not-a-transfer"
}
