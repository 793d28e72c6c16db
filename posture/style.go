package posture

import "slices"

// Style returns the rules about how well documents are written, by their numbers.
func Style() []Rule {
	return slices.Concat(writing(), using(), matching(), running(), waiverRules("GL"))
}

// writing returns the rules about names and what stands beside them.
func writing() []Rule {
	return []Rule{
		{
			ID: "GL001", Title: "Nothing says what it is for", Severity: Info, check: undescribed,
			Why: "A description is the first thing that somebody looks for who has to change an object of others.",
			Fix: "Write a `description`",
		},
		{
			ID: "GL002", Title: "Nobody owns it", Severity: Info, check: unowned,
			Why: "Other objects name their team; one without is the platform's, which may be more than was meant.",
			Fix: "Write `team`, or waive it for what is the platform's",
		},
		{
			ID: "GL003", Title: "The name is spelt in its own way", Severity: Info, check: nameStyle,
			Why: "Names are typed in commands and read in logs: small letters and digits, with `-` or `.` between words, need no thought.",
			Fix: "Rename the object",
		},
		{
			ID: "GL004", Title: "The operation's id is spelt in its own way", Severity: Info, check: operationStyle,
			Why: "Ids become names of routes and labels of metrics. Letters and digits that begin with a small letter, as in `getPayment`, or small words with `-`, read alike everywhere.",
			Fix: "Rename the operation, in the contract if it stands there",
		},
		{
			ID: "GL005", Title: "The version is no version", Severity: Info, check: versionStyle,
			Why: "Callers tell versions by `v` and a number, or by a date.",
			Fix: "Write a version such as `v1` or `2027-01-31`",
		},
		{
			ID: "GL006", Title: "An API without a contract", Severity: Info, check: withoutContract,
			Why: "A contract (OpenAPI) is what callers read, and lists the operations in one place.",
			Fix: "Write `contract` and the path of an OpenAPI file",
		},
		{
			ID: "GL007", Title: "Rego that is not formatted", Severity: Info, check: unformatted,
			Why: "Rego as `opa fmt` writes it makes small differences.",
			Fix: "Run `opa fmt -w` on the file",
		},
		{
			ID: "GL008", Title: "A policy without a default", Severity: Info, check: withoutDefault,
			Why: "Where no rule holds the answer is undefined. The request is denied with the reason `undefined`, which tells an error from a denial less well.",
			Fix: "Write `default allow := false`",
		},
	}
}

// using returns the rules about what nothing uses.
func using() []Rule {
	return []Rule{
		{
			ID: "GL020", Title: "An Upstream that nothing uses", Severity: Warning, check: unusedUpstreams,
			Why: "No API or Route forwards to it.",
			Fix: "Remove it, or name it under `to`",
		},
		{
			ID: "GL021", Title: "A Policy that nothing applies", Severity: Warning, check: unusedPolicies,
			Why: "Nobody is denied by it, though it looks as if.",
			Fix: "Remove it, or name it under `authorize`",
		},
		{
			ID: "GL022", Title: "An Issuer that nothing believes", Severity: Warning, check: unusedIssuers,
			Why: "No API or Route takes its tokens.",
			Fix: "Remove it, or name it under `authenticate`",
		},
		{
			ID: "GL023", Title: "A Certificate that nothing shows", Severity: Warning, check: unusedCertificates,
			Why: "No listener names it.",
			Fix: "Remove it, or name it under `tls`",
		},
		{
			ID: "GL024", Title: "A share of nothing", Severity: Info, check: weightless,
			Why: "An Upstream of weight 0 gets no requests.",
			Fix: "Remove it once it is not needed for a way back",
		},
		{
			ID: "GL025", Title: "A grant that nobody uses", Severity: Info, check: unusedGrants,
			Why: "The team has no API or Route on the Gateway: the grant was not taken back, or the team is misspelt.",
			Fix: "Remove the entry of `allow`, or correct its team",
		},
		{
			ID: "GL026", Title: "A Bundle that no Policy looks into", Severity: Warning, check: unusedBundles,
			Why: "It is fetched again and again, and decides nothing.",
			Fix: "Name it as the `bundle` of a Policy, or remove it",
		},
		{
			ID: "GL027", Title: "A Limit that nobody names", Severity: Warning, check: unusedLimits,
			Why: "It limits nothing: who reads it may think otherwise.",
			Fix: "Name it under `limits` of an API, an operation or a Route, or remove it",
		},
	}
}

// matching returns the rules about operations that take requests from one another.
func matching() []Rule {
	return []Rule{
		{
			ID: "GL040", Title: "Two operations overlap", Severity: Info, check: overlappingOperations,
			Why: "Some requests match both, and which one answers follows from the order of precedence, not from what anybody wrote.",
			Fix: "Make one of the paths stricter",
		},
		{
			ID: "GL041", Title: "An operation reaches below another API's base", Severity: Warning, check: shadowedBases,
			Why: "A path with parameters matches requests below the base of another API, and is tried before what that sends on as a whole.",
			Fix: "Expose the API at a base of its own, or write a literal segment first",
		},
		{
			ID: "GL042", Title: "An operation that is never reached", Severity: Warning, check: unreachable,
			Why: "Another one comes before it and takes all its requests: a longer prefix comes before an expression, a condition that says more before one that says less.",
			Fix: "Write the path as a template, which comes before prefixes, ask for more by a condition, or remove the operation",
		},
		{
			ID: "GL043", Title: "Conditions that meet", Severity: Warning, check: tied,
			Why: "A request can meet the conditions of both operations, and neither asks for more: which of them is taken depends on how names and values are spelt.",
			Fix: "Give one of them a condition more, or conditions that exclude those of the other",
		},
	}
}

// running returns the rules about what shows only under load or when something is away.
func running() []Rule {
	return []Rule{
		{
			ID: "GL060", Title: "A timeout without end", Severity: Warning, check: endless,
			Why: "Requests that wait for minutes hold connections and memory while a backend hangs.",
			Fix: "Write a timeout of at most 1m, or waive it for what streams",
		},
		{
			ID: "GL061", Title: "Endpoints are never checked", Severity: Info, check: unchecked,
			Why: "With several endpoints and no health check, one that is away keeps its share of the requests.",
			Fix: "Write `health: {path: /healthz}`",
		},
		{
			ID: "GL062", Title: "Authorization may take long", Severity: Warning, check: slowAuthorization,
			Why: "Every request waits for the call. One that has not answered in seconds will not.",
			Fix: "Write `timeouts: {authorization: 1s}` or less",
		},
		{
			ID: "GL063", Title: "Requests wait only to be recorded", Severity: Info, check: recordedDearly,
			Why: "Envoy could decide these requests by itself. `decisions: full` makes each of them wait for a call to Gatehouse, which costs more than all the rest that a gateway does.",
			Fix: "Remove `decisions: full` where the record of what Envoy decided will do",
		},
	}
}
