package gatehouse.library.maintenance_test

import data.gatehouse.library.maintenance

asked(parameters) := {"gatehouse": {"parameters": parameters, "identity": {"claims": {"roles": ["operator"]}}}}

window := {"from": "2026-11-23T02:00:00Z", "until": "2026-11-23T04:00:00Z"}

at(text) := time.parse_rfc3339_ns(text)

test_before if maintenance.allow == true with input as asked(window) with time.now_ns as at("2026-11-23T01:59:59Z")

test_during if {
	answer := maintenance.allow with input as asked(window) with time.now_ns as at("2026-11-23T03:59:00Z")
	answer == {"allowed": false, "reason": "maintenance", "http_status": 503, "headers": {"retry-after": "60"}}
}

test_after if maintenance.allow == true with input as asked(window) with time.now_ns as at("2026-11-23T04:00:00Z")

test_without_end if {
	answer := maintenance.allow with input as asked({"from": "2026-11-23T02:00:00Z"}) with time.now_ns as at("2026-11-24T02:00:00Z")
	answer == {"allowed": false, "reason": "maintenance", "http_status": 503}
}

test_excepted if maintenance.allow == true with input as asked(object.union(window, {"unless": ["operator"]})) with time.now_ns as at("2026-11-23T03:00:00Z")

test_time_that_cannot_be_read if maintenance.allow.http_status == 503 with input as asked({"from": "soon"})

test_end_that_cannot_be_read if maintenance.allow.http_status == 503 with input as asked({"from": "2026-11-23T02:00:00Z", "until": "soon"}) with time.now_ns as at("2026-11-23T03:00:00Z")
