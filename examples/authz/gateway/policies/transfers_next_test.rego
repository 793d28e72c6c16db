package bank.transfers_next_test

import data.bank.transfers_next

test_small_amounts_need_nobody if {
	transfers_next.allow == true with input as {"parsed_body": {"amount": 100}, "gatehouse": {"identity": {"roles": ["customer"]}}}
}

test_large_ones_need_a_teller if {
	decision := transfers_next.allow with input as {"parsed_body": {"amount": 101}, "gatehouse": {"identity": {"roles": ["customer"]}}}
	decision.reason == "needs-a-teller"
	transfers_next.allow == true with input as {"parsed_body": {"amount": 101}, "gatehouse": {"identity": {"roles": ["teller"]}}}
}
