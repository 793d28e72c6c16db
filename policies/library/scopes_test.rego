package gatehouse.library.scopes_test

import data.gatehouse.library.scopes

said(has, wanted, parameters) := {"gatehouse": {"identity": {"scopes": has}, "contract": {"scopes": wanted}, "parameters": parameters}}

test_all_of_one if scopes.allow == true with input as said(["read", "write"], [["admin"], ["read", "write"]], {})

test_not_all if scopes.allow.reason == "scope-missing" with input as said(["read"], [["read", "write"]], {})

test_nothing_asked_for if scopes.allow.allowed == false with input as said(["read"], [], {})

test_nothing_asked_for_and_that_will_do if scopes.allow == true with input as said([], [], {"missing": "allow"})

test_an_empty_requirement if scopes.allow == true with input as said([], [[]], {})

test_nobody if scopes.allow.allowed == false with input as {"gatehouse": {"contract": {"scopes": [["read"]]}, "parameters": {}}}
