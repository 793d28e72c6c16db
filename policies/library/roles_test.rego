package gatehouse.library.roles_test

import data.gatehouse.library.roles

said(claims, parameters) := {"gatehouse": {"identity": {"claims": claims}, "parameters": parameters}}

test_one_of_them if roles.allow == true with input as said({"roles": ["clerk", "teller"]}, {"any": ["teller", "auditor"]})

test_a_single_role if roles.allow == true with input as said({"roles": "teller"}, {"any": ["teller"]})

test_roles_in_a_text if roles.allow == true with input as said({"roles": "clerk teller"}, {"any": ["teller"]})

test_nested_claim if roles.allow == true with input as said({"realm": {"roles": ["teller"]}}, {"any": ["teller"], "claim": "realm.roles"})

test_none_of_them if roles.allow.reason == "role-missing" with input as said({"roles": ["clerk"]}, {"any": ["teller"]})

test_part_of_a_name if roles.allow.allowed == false with input as said({"roles": "teller2"}, {"any": ["teller"]})

test_no_roles if roles.allow.allowed == false with input as said({}, {"any": ["teller"]})

test_nobody if roles.allow.allowed == false with input as {"gatehouse": {"parameters": {"any": ["teller"]}}}

test_no_parameters if roles.allow.allowed == false with input as said({"roles": ["teller"]}, {})
