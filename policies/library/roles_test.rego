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

test_a_role_with_signs if roles.allow == true with input as said({"roles": "clerk a.b+c\\"}, {"any": ["a.b+c\\"]})

test_a_sign_is_no_wildcard if roles.allow.allowed == false with input as said({"roles": "axb"}, {"any": ["a.b"]})

test_two_words_are_no_role if roles.allow.allowed == false with input as said({"roles": "senior teller"}, {"any": ["senior teller"]})

test_two_words_in_a_list if roles.allow == true with input as said({"roles": ["senior teller"]}, {"any": ["senior teller"]})

test_an_object_is_no_list if roles.allow.allowed == false with input as said({"roles": {"a": "teller"}}, {"any": ["teller"]})

test_a_deep_claim if roles.allow == true with input as said({"a": {"b": {"c": {"d": ["teller"]}}}}, {"any": ["teller"], "claim": "a.b.c.d"})
