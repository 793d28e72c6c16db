package gatehouse.admin

# needs is the least role for each operation of the management API. An operation that stands nowhere is denied to all.
needs := object.union_n([
	{operation: "viewer" | some operation in viewing},
	{operation: "member" | some operation in teamwork},
	{operation: "operator" | some operation in operating},
	{operation: "admin" | some operation in administering},
])

# viewing shows how things are, and changes nothing.
viewing := {
	"compareEntries",
	"exportFleet",
	"explain",
	"getApplication",
	"getCaller",
	"getDocuments",
	"getEndpoints",
	"getEntry",
	"getKey",
	"getMetrics",
	"getNode",
	"getOpenAPI",
	"getRevision",
	"listApplications",
	"listEndpoints",
	"listHistory",
	"listKeys",
	"listLimits",
	"listNodes",
	"listReplicas",
	"listRollouts",
	"listRoots",
	"listUsage",
	"watchEvents",
}

# teamwork changes what belongs to a team; how far is said by allow and, for documents, by what they change.
teamwork := {
	"applyChange",
	"changeEndpoints",
	"planChange",
} | accounts

# accounts changes applications and their keys: a member those of the own team.
accounts := {
	"createApplication",
	"createKey",
	"revokeApplication",
	"revokeKey",
	"rotateKey",
}

# operating is everybody's business.
operating := {
	"confirmEntry",
	"getBucket",
	"getDecision",
	"getToken",
	"grantBucket",
	"listAudit",
	"listCertificates",
	"listDecisions",
	"listTokens",
	"listTopBuckets",
	"orderRollout",
	"profile",
	"resetBucket",
	"retryNode",
	"revokeNode",
	"rollBack",
	"setPlan",
	"verifyAudit",
}

# administering decides who else may do anything.
administering := {
	"createAccess",
	"createToken",
	"getAccess",
	"listAccess",
	"revokeAccess",
	"revokeToken",
	"rotateAccess",
	"rotateRoot",
}

# reads are the operations by which nothing becomes different, and all that a read-only caller may do.
reads := {operation |
	some operation, _ in needs
	not operation in writes
}

writes := ({"applyChange", "changeEndpoints", "confirmEntry", "grantBucket", "orderRollout", "resetBucket", "retryNode", "revokeNode", "rollBack", "setPlan"} | accounts | administering) - {"getAccess", "listAccess"}

# sourced are the operations that name a source; a caller bound to a source may write by no other.
sourced := {"applyChange", "planChange"}
