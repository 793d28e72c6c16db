package {{.Policy}}.read_only_test

import data.{{.Policy}}.read_only

asking(method) := {"attributes": {"request": {"http": {"method": method}}}}

test_reading_is_allowed if {
	read_only.allow.allowed with input as asking("GET")
}

test_writing_is_not if {
	decision := read_only.allow with input as asking("PUT")
	decision == {"allowed": false, "reason": "read-only"}
}
