package gatehouse.admin_test

import data.gatehouse.admin

holding(role) := {"name": "olga", "role": role, "team": "", "read_only": false, "source": ""}

paula := {"name": "paula", "role": "member", "team": "payments", "read_only": false, "source": ""}

asked(operation, caller) := {"operation": operation, "method": "POST", "path": "/", "query": {}, "caller": caller}

allowed(operation, caller) if admin.verdict.allow with input as asked(operation, caller)

denied(operation, caller) if not allowed(operation, caller)

test_an_admin_may_everything if {
	every operation, _ in admin.needs {
		allowed(operation, holding("admin"))
	}
}

test_a_viewer_changes_nothing if {
	every operation in admin.writes {
		denied(operation, holding("viewer"))
	}
}

test_an_unknown_operation_is_denied_to_all if {
	denied("formatDisk", holding("admin"))
}

test_an_unknown_role_is_denied if {
	denied("listNodes", holding("root"))
	denied("listNodes", holding(""))
	denied("listNodes", {"name": "olga"})
}

test_no_caller_is_denied if not admin.verdict.allow with input as {"operation": "listNodes", "query": {}}

test_the_needed_role_is_told if {
	verdict := admin.verdict with input as asked("rollBack", holding("viewer"))
	verdict.need == "operator"
	contains(verdict.why, "the role operator is needed, and olga has the role viewer")
}

test_keys_need_an_admin if {
	with_keys := object.union(asked("exportFleet", holding("operator")), {"query": {"keys": ["true"]}})
	not admin.verdict.allow with input as with_keys
	admin.verdict.allow with input as object.union(with_keys, {"caller": holding("admin")})
	admin.verdict.allow with input as object.union(with_keys, {"query": {"keys": ["false"]}})
	not admin.verdict.allow with input as object.union(with_keys, {"query": {"keys": ["false", "true"]}})
	not admin.verdict.allow with input as object.union(with_keys, {"query": {"keys": ["anything"]}})
}

test_reading_only if {
	reader := object.union(holding("admin"), {"read_only": true})
	allowed("listNodes", reader)
	allowed("listAccess", reader)
	allowed("planChange", reader)
	every operation in admin.writes {
		denied(operation, reader)
	}
}

test_one_source if {
	bound := object.union(paula, {"source": "payments"})
	allowed("listNodes", bound)
	admin.verdict.allow with input as object.union(asked("applyChange", bound), {"source": "payments"})
	not admin.verdict.allow with input as object.union(asked("applyChange", bound), {"source": "orders"})
	not admin.verdict.allow with input as object.union(asked("applyChange", bound), {"source": ""})

	# Before the body is read the source is not known; then it is asked again.
	allowed("applyChange", bound)
	denied("changeEndpoints", bound)
	denied("rollBack", object.union(holding("operator"), {"source": "payments"}))
}

test_a_member_pushes_endpoints_of_the_team if {
	admin.verdict.allow with input as object.union(asked("changeEndpoints", paula), {"owner": "payments"})
	not admin.verdict.allow with input as object.union(asked("changeEndpoints", paula), {"owner": "orders"})
	not admin.verdict.allow with input as object.union(asked("changeEndpoints", paula), {"owner": ""})
	denied("changeEndpoints", paula)
	allowed("changeEndpoints", holding("operator"))
}

test_a_member_handles_applications_of_the_team if {
	every operation in admin.accounts {
		admin.verdict.allow with input as object.union(asked(operation, paula), {"team": "payments"})
		not admin.verdict.allow with input as object.union(asked(operation, paula), {"team": "orders"})
		not admin.verdict.allow with input as object.union(asked(operation, paula), {"team": ""})
		admin.verdict.allow with input as object.union(asked(operation, holding("operator")), {"team": "orders"})
		not admin.verdict.allow with input as object.union(asked(operation, holding("viewer")), {"team": "payments"})
	}
}

test_a_member_without_a_team_changes_nothing if {
	every operation in admin.writes {
		denied(operation, holding("member"))
	}
	allowed("listNodes", holding("member"))
}

test_each_operation_stands_once if {
	count(admin.needs) == count(admin.viewing) + count(admin.teamwork) + count(admin.operating) + count(admin.administering)
}
