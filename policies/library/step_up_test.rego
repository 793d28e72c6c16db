package gatehouse.library.step_up_test

import data.gatehouse.library.step_up

parameters := {"amount": "payment.amount", "above": 1000, "acr": ["urn:bank:strong"]}

said(body, claims, parameters) := {"parsed_body": body, "gatehouse": {"identity": {"claims": claims}, "parameters": parameters}}

pays(amount) := {"payment": {"amount": amount}}

test_small if step_up.allow == true with input as said(pays(1000), {}, parameters)

test_large if {
	answer := step_up.allow with input as said(pays(1000.01), {"acr": "urn:bank:weak"}, parameters)
	answer.reason == "step-up-needed"
	answer.http_status == 401
	contains(answer.headers["www-authenticate"], `acr_values="urn:bank:strong"`)
}

test_large_and_strong if step_up.allow == true with input as said(pays(5000), {"acr": "urn:bank:strong"}, parameters)

test_strong_long_ago if {
	answer := step_up.allow with input as said(pays(5000), {"acr": "urn:bank:strong", "auth_time": 0}, object.union(parameters, {"max_age": 300}))
	contains(answer.headers["www-authenticate"], `max_age="300"`)
}

test_strong_just_now if step_up.allow == true with input as said(pays(5000), {"acr": "urn:bank:strong", "auth_time": 100}, object.union(parameters, {"max_age": 300}))
	with time.now_ns as 200000000000

test_no_amount if step_up.allow.reason == "amount-unreadable" with input as said({}, {"acr": "urn:bank:strong"}, parameters)

test_amount_is_a_text if step_up.allow.reason == "amount-unreadable" with input as said(pays("1"), {}, parameters)

test_no_parameters if step_up.allow.allowed == false with input as said(pays(1), {}, {})
