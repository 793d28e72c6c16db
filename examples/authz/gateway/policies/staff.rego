# Who works at the bank.
package bank.staff

default allow := false

allow if "teller" in input.gatehouse.identity.claims.roles
allow if "auditor" in input.gatehouse.identity.claims.roles
