package gatehouse.library.owner_test

import data.gatehouse.library.owner

said(claims, path, parameters) := {"gatehouse": {"identity": {"claims": claims}, "path": path, "parameters": parameters}}

test_own if owner.allow == true with input as said({"sub": "alice"}, {"id": "alice"}, {"parameter": "id"})

test_of_another if owner.allow.reason == "not-the-owner" with input as said({"sub": "alice"}, {"id": "bob"}, {"parameter": "id"})

test_one_of_several if owner.allow == true with input as said({"accounts": ["1", "2"]}, {"account": "2"}, {"parameter": "account", "claim": "accounts"})

test_none_of_several if owner.allow.allowed == false with input as said({"accounts": ["1", "2"]}, {"account": "3"}, {"parameter": "account", "claim": "accounts"})

test_a_number if owner.allow == true with input as said({"customer": 42}, {"id": "42"}, {"parameter": "id", "claim": "customer"})

test_excepted_role if owner.allow == true with input as said({"sub": "eve", "roles": ["auditor"]}, {"id": "bob"}, {"parameter": "id", "unless": ["auditor"]})

test_both_missing if owner.allow.allowed == false with input as said({}, {}, {"parameter": "id"})

test_empty if owner.allow.allowed == false with input as said({"sub": ""}, {"id": ""}, {"parameter": "id"})

test_misspelt_parameter if owner.allow.allowed == false with input as said({"sub": "alice"}, {"id": "alice"}, {"parameter": "di"})
