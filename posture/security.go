package posture

import "slices"

// Security returns the rules about how safe a configuration is, by their numbers.
func Security() []Rule {
	return slices.Concat(clients(), identities(), listeners(), backends(), teams(), waiverRules("GS"))
}

// clients returns the rules about who may call, and how often.
func clients() []Rule {
	return []Rule{
		{
			ID: "GS001", Title: "Anybody may call", Severity: Warning, check: openToAll,
			Why: "The operation says `authenticate: none`: nobody needs to say who they are.",
			Fix: "Write `authenticate: {jwt: ISSUER}`, or waive it where the operation is for everybody",
		},
		{
			ID: "GS002", Title: "No limit where anybody may call", Severity: Warning, check: unlimited,
			Why: "An operation that needs no identity and has no limit can be called as often as somebody likes, at the upstream's cost.",
			Fix: "Write a limit by `client.address`",
		},
		{
			ID: "GS003", Title: "Authorization fails open", Severity: High, check: failsOpen,
			Why: "While Gatehouse cannot be asked, requests pass that its policies would deny.",
			Fix: "Remove `when-away: {authorization: open}`",
		},
		{
			ID: "GS004", Title: "A token for another is good here", Severity: High, check: withoutAudiences,
			Why: "An Issuer without `audiences` takes every token that it ever issued, also one that was meant for another service.",
			Fix: "Write the `audiences` by which tokens for these APIs are known",
		},
		{
			ID: "GS005", Title: "Any token of the issuer suffices", Severity: Info, check: anyToken,
			Why: "The operation asks for a token, and neither for a scope nor for a policy: everybody who has an account may call it.",
			Fix: "Write `scopes`, or apply a Policy",
		},
		{
			ID: "GS006", Title: "Example tokens are minted", Severity: High, check: mints,
			Why: "An Issuer with `mint` has its private key where the daemon runs, so that whoever can read it can be anybody.",
			Fix: "Remove `mint`; it is for examples and tests",
		},
		{
			ID: "GS007", Title: "The policy allows what it does not know", Severity: High, check: allowsByDefault,
			Why: "The policy allows a request of which nothing is known: what it forgets to deny passes.",
			Fix: "Write `default allow := false`, and allow what is known to be good",
		},
		{
			ID: "GS008", Title: "Unlisted requests are sent on", Severity: Warning, check: unlistedForward,
			Why: "With `unlisted: forward` the upstream gets paths and methods that nobody has listed, such as its administration.",
			Fix: "List the operations, and remove `unlisted: forward`",
		},
		{
			ID: "GS009", Title: "A limit counts by what the client writes", Severity: Warning, check: forgeableKey,
			Why: "A client that writes another value into the header has another allowance.",
			Fix: "Count by `client.address` or by `token.sub`, alone or with the header",
		},
	}
}

// identities returns the rules about how callers prove who they are, and what they may do then.
func identities() []Rule {
	return []Rule{
		{
			ID: "GS010", Title: "Policies only watch", Severity: Warning, check: onlyWatched,
			Why: "Every policy of the operation is in the mode `shadow`: what they would refuse is recorded, and passes.",
			Fix: "Remove `mode: shadow` once the decision log shows what the policy would do, or waive it until then",
		},
		{
			ID: "GS011", Title: "API keys travel in the query", Severity: Warning, check: keyInQuery,
			Why: "What is in a URL ends up in histories, bookmarks and the logs of everything on the way.",
			Fix: "Take the key in a header: `key: {header: x-api-key}`",
		},
		{
			ID: "GS012", Title: "Nobody in particular may write", Severity: Warning, check: namelessWrites,
			Why: "The operation takes requests that change something from callers who show nothing, and no policy refuses them any.",
			Fix: "Keep `anonymous` to operations that read, or apply a Policy that looks at `input.gatehouse.identity`",
		},
		{
			ID: "GS013", Title: "Keys are fetched by plain HTTP", Severity: High, check: keysInClear,
			Why: "Whoever is on the way can put keys of their own in the place of the issuer's, and then be anybody.",
			Fix: "Write an https URL, with `ca` where the server's certificate is of your own, and remove `insecure`",
		},
		{
			ID: "GS014", Title: "Policies are fetched by plain HTTP", Severity: High, check: bundlesInClear,
			Why: "Whoever is on the way can put policies of their own in the place of these, or read the token that is sent. A signature keeps the policies, not the token.",
			Fix: "Write an https URL and remove `insecure`, or write `verify`",
		},
	}
}

// listeners returns the rules about how clients arrive.
func listeners() []Rule {
	return []Rule{
		{
			ID: "GS020", Title: "Clients are served without TLS only", Severity: High, check: withoutTLS,
			Why: "The listener is reachable from other hosts, speaks plain HTTP, and no listener of the Gateway serves its hosts by TLS: tokens can be read on the way.",
			Fix: "Add a listener with `tls`, and let this one say `redirect: https`",
		},
		{
			ID: "GS021", Title: "Plain HTTP beside TLS", Severity: High, check: withoutRedirect,
			Why: "The same hosts are served by TLS, and by plain HTTP without a redirect: who comes that way stays there.",
			Fix: "Write `redirect: https` on the plain listener",
		},
		{
			ID: "GS022", Title: "TLS 1.2 is spoken", Severity: Info, check: oldTLS,
			Why: "TLS 1.2 is sound with the ciphers that are offered; TLS 1.3 alone is what new clients need.",
			Fix: "Write `min: \"1.3\"` where every client can speak it",
		},
		{
			ID: "GS023", Title: "The client's address is anybody's word", Severity: High, check: trustsAnybody,
			Why: "What counts as the client's address is taken from peers that nobody has named: limits and policies by address can be evaded by a header.",
			Fix: "Name the `proxies` whose word counts, narrowly",
		},
		{
			ID: "GS024", Title: "A wildcard of hosts", Severity: Warning, check: wildcardHosts,
			Why: "The API answers for every host of the pattern, also for those that are thought of later, and for names that an attacker chooses.",
			Fix: "Write out the `hosts`",
		},
		{
			ID: "GS025", Title: "A certificate expires soon", Severity: High, check: expiring,
			Why: "The certificate is valid for less than 30 days. Clients refuse it after that.",
			Fix: "Renew the files; they are taken in without a reload",
		},
		{
			ID: "GS026", Title: "The management API is on TCP", Severity: Warning, check: adminOnTCP,
			Why: "Over a Unix socket the kernel says who calls; over TCP a token does, which can be lost.",
			Fix: "Serve it on the Unix socket, or keep the port from all but those who operate Gatehouse",
		},
		{
			ID: "GS027", Title: "Nobody looks at the client certificates", Severity: Info, check: unreadCertificates,
			Why: "The listener asks for client certificates and takes clients without: where no route looks at them they keep nobody out.",
			Fix: "Write `authenticate: {mtls: ...}` or `bound: true` where they matter, `mode: required`, or remove `clients`",
		},
		{
			ID: "GS028", Title: "A weak cipher is offered", Severity: High, check: weakCiphers,
			Why: "A cipher without ECDHE lets whoever gets the key later read what was recorded before; one in CBC mode has been attacked time and again.",
			Fix: "Remove it from `ciphers`; what every client of the last ten years speaks is offered without",
		},
		{
			ID: "GS029", Title: "A listener takes more than is safe", Severity: Warning, check: wideBounds,
			Why: "The bounds of a listener keep a few clients from using up an Envoy. The one that is named leaves room for that.",
			Fix: "Take the bound down to what the largest request needs, or waive it where only known clients get there",
		},
	}
}

// backends returns the rules about what stands behind.
func backends() []Rule {
	return []Rule{
		{
			ID: "GS040", Title: "Plain HTTP to another host", Severity: Warning, check: plainUpstream,
			Why: "Requests, with their tokens, travel to the endpoint in the clear.",
			Fix: "Write `tls`, keep the way to the endpoint on a network that nobody else can read, or put the endpoint beside the Envoy",
		},
		{
			ID: "GS041", Title: "A team reaches a socket of the Envoy's host", Severity: High, check: teamsSocket,
			Why: "The Upstream of a team leads to a Unix socket on the host of the Envoys, where other services trust whoever can open it.",
			Fix: "Give the endpoint an IP address, or let the platform own the Upstream",
		},
		{
			ID: "GS042", Title: "Endpoints need not prove who they are", Severity: High, check: unverified,
			Why: "With `tls: {verify: nothing-at-all}` whoever gets between an Envoy and an endpoint reads and writes the requests, with their tokens.",
			Fix: "Write `tls: {ca: FILE, names: [HOST]}`",
		},
	}
}

// teams returns the rules about who shares a Gateway.
func teams() []Rule {
	return []Rule{
		{
			ID: "GS060", Title: "Several teams, and no allow", Severity: High, check: withoutAllow,
			Why: "Several teams expose APIs on the Gateway, and nothing says where each may: one can take the hosts and paths of another.",
			Fix: "Write `allow` on the Gateway",
		},
		{
			ID: "GS061", Title: "One place is granted to two teams", Severity: Warning, check: overlappingGrants,
			Why: "Two teams may expose APIs on the same host below the same base, so that the narrower path of one takes requests from the other.",
			Fix: "Grant each team a base of its own",
		},
		{
			ID: "GS062", Title: "A policy of the platform is not locked", Severity: Warning, check: unlockedPlatform,
			Why: "The Gateway applies the Policy to every API, and nothing keeps it for the platform alone.",
			Fix: "Write `locked: true` on the Policy",
		},
	}
}
