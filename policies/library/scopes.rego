# METADATA
# title: The caller has the scopes that the contract asks for
# description: |
#   The contract's security requirements of the operation (OpenAPI 3.1, 4.8.30) name scopes; the caller needs all of one of them.
#   Parameters: missing ("deny", or "allow"), what becomes of an operation for which the contract asks for nothing; "deny" where
#   it is not said.
package gatehouse.library.scopes

default allow := {"allowed": false, "reason": "scope-missing"}

allow if {
	some wanted in input.gatehouse.contract.scopes
	every scope in wanted {
		scope in input.gatehouse.identity.scopes
	}
}

allow if {
	count(object.get(input.gatehouse, ["contract", "scopes"], [])) == 0
	input.gatehouse.parameters.missing == "allow"
}
