package gatehouse.library.tenant_test

import data.gatehouse.library.tenant

said(claims, host, headers, path, parameters) := {
	"attributes": {"request": {"http": {"host": host, "headers": headers}}},
	"gatehouse": {"identity": {"claims": claims}, "path": path, "parameters": parameters},
}

test_by_path if tenant.allow == true with input as said({"tenant": "north"}, "api.bank.test", {}, {"tenant": "north"}, {"parameter": "tenant"})

test_by_header if tenant.allow == true with input as said({"tenant": "north"}, "api.bank.test", {"x-tenant": "north"}, {}, {"header": "X-Tenant"})

test_by_host if tenant.allow == true with input as said({"org": {"id": "north"}}, "north.bank.test", {}, {}, {"host": true, "claim": "org.id"})

test_another if tenant.allow.reason == "other-tenant" with input as said({"tenant": "north"}, "south.bank.test", {}, {}, {"host": true})

test_two_ways_differ if tenant.allow.allowed == false with input as said({"tenant": "north"}, "north.bank.test", {"x-tenant": "south"}, {}, {"host": true, "header": "x-tenant"})

test_said_nowhere if tenant.allow.allowed == false with input as said({"tenant": "north"}, "api.bank.test", {}, {}, {"header": "x-tenant"})

test_no_tenant if tenant.allow.allowed == false with input as said({}, "api.bank.test", {"x-tenant": ""}, {}, {"header": "x-tenant"})
