package bank.staff_test

import data.bank.staff

with_roles(roles) := {"gatehouse": {"identity": {"claims": {"roles": roles}}}}

test_tellers_and_auditors_work_here if {
	staff.allow with input as with_roles(["teller"])
	staff.allow with input as with_roles(["clerk", "auditor"])
}

test_customers_do_not if {
	not staff.allow with input as with_roles(["customer"])
	not staff.allow with input as {}
}
