package gateway

import (
	_ "embed"
	"strings"
)

// Codes of faults in one document or in a file it names.
const (
	CodeSyntax       Code = "GH101" // Not YAML that can be read.
	CodeUnknownField Code = "GH102" // A field that its object does not have.
	CodeWrongType    Code = "GH103" // A list where text is meant, text where a number is meant.
	CodeMissingField Code = "GH104" // A field that must be written is not.
	CodeUnknownKind  Code = "GH105" // A kind that does not exist.
	CodeSchema       Code = "GH106" // A file whose first document does not say `schema: 1`.
	CodeDuplicate    Code = "GH107" // Two objects of one kind and name (and version).
	CodeReserved     Code = "GH108" // A field or value that a later release builds.
	CodeFile         Code = "GH109" // A file that cannot be read, or lies outside the directory.
	CodeContract     Code = "GH110" // An OpenAPI contract that cannot be used.
	CodeSecret       Code = "GH111" // A secret written out, or one that cannot be resolved.
	CodeBadValue     Code = "GH112" // A value of the right type that makes no sense in its place.
	CodeTooLarge     Code = "GH113" // More files, bytes, nesting or aliases than are read.
	CodeDuplicateKey Code = "GH114" // One key twice in a mapping.
	CodeKeySet       Code = "GH115" // A key set that cannot verify tokens, or holds what must stay secret.
	CodeConflict     Code = "GH116" // Fields that exclude one another.
	CodeHeader       Code = "GH118" // A header that a document may not change.

	CodeCertificateFile Code = "GH121" // A chain or a private key that cannot be read.
	CodeKeyMismatch     Code = "GH122" // A private key that belongs to another certificate.
	CodeExpired         Code = "GH123" // A certificate that is not valid any more, or not yet.
	CodeWeakKey         Code = "GH124" // A key that can be broken, or that Envoy does not take.
)

// Codes of faults between documents.
const (
	CodeDangling           Code = "GH201" // A name that no document has.
	CodeListenerClash      Code = "GH202" // Two listeners on one address and port.
	CodeEqualMatch         Code = "GH203" // Two operations that match the same requests.
	CodeRegex              Code = "GH204" // A regular expression that is too large or cannot be read.
	CodeNoAuthenticate     Code = "GH205" // Neither operation nor API says who may call.
	CodeDuplicateOperation Code = "GH206" // Two operations of one API with one id.
	CodeHostNotServed      Code = "GH207" // An API exposed on a host that no listener of the Gateway serves.
	CodeIssuerClash        Code = "GH208" // Two issuers with one iss in one fleet.
	CodeWeight             Code = "GH209" // Weights that share out nothing.
	CodeNoTarget           Code = "GH210" // An operation that has nowhere to forward to.
	CodeLimitKey           Code = "GH211" // A limit's key that is unknown where the limit stands.
	CodeDuplicateLimit     Code = "GH212" // Two limits of one name on one operation.
	CodeNotExposed         Code = "GH213" // An API without expose.

	CodeNotGranted  Code = "GH214" // A host or base that the Gateway does not grant to the team.
	CodeNotShared   Code = "GH215" // A reference to what another team has and does not share.
	CodeForeignTeam Code = "GH216" // A document or change of another team's.
	CodePlatform    Code = "GH217" // What belongs to the platform, in the hands of a team.

	CodeForeignSource Code = "GH218" // An object of another source.

	CodeHostUncovered   Code = "GH221" // A host without a certificate that is good for it.
	CodeTwoCertificates Code = "GH222" // Two certificates for one host.
	CodeServesNothing   Code = "GH223" // A certificate that is good for no host of its listener.
	CodeNoRedirect      Code = "GH224" // A redirect that leads nowhere.

	CodeIssuerProof Code = "GH225" // An Issuer that cannot prove what is asked of it.
	CodeUnprovable  Code = "GH226" // Something that no caller could show where it is asked for.

	CodeWindow      Code = "GH227" // A window of a limit that cannot be counted.
	CodeCost        Code = "GH228" // A cost that nobody could tell.
	CodeDistributed Code = "GH229" // A limit that Envoys cannot count by themselves.
)

// Codes of faults in what requests are told apart by, and in what becomes of them.
const (
	CodeVersion Code = "GH240" // Versions of one API that requests cannot tell apart.
	CodeRewrite Code = "GH241" // A new path that cannot be made of the one that was asked for.
	CodeAct     Code = "GH242" // Two things that a request cannot both be met with, or none.
	CodePage    Code = "GH243" // A body that Envoys cannot give by themselves.

	CodeHashKey        Code = "GH255" // Upstreams of one route that choose endpoints by different things.
	CodeUpstreamName   Code = "GH256" // Endpoints by TLS of which nothing says who they are.
	CodeIdentity       Code = "GH257" // A Certificate that is shown to endpoints and does not exist, or is another team's.
	CodeNeverPreferred Code = "GH258" // Endpoints that would never be used.

	CodeListener        Code = "GH270" // A Route at a listener that speaks something else.
	CodeSameConnections Code = "GH271" // Two Routes that want the same connections.
)

// Codes of faults in what is said of traffic.
const (
	CodeCORS       Code = "GH285" // Rules for pages of other origins that no browser would keep, or that let in more than is said.
	CodeShaping    Code = "GH286" // What a route cannot do of what is said of its traffic.
	CodeInjection  Code = "GH287" // Faults that would be injected without an end, or none that would.
	CodeBodyChange Code = "GH288" // A change of a body that Envoy cannot make.
	CodeTranscode  Code = "GH289" // Descriptors by which no request can become a call.
	CodeLocalLimit Code = "GH290" // A limit that an Envoy cannot count by itself.
)

// Codes of faults in policies.
const (
	CodeRego        Code = "GH301" // Rego that does not compile.
	CodeRegoEntry   Code = "GH302" // A module without the rule that is to decide.
	CodeRegoBuiltin Code = "GH303" // A builtin function that policies may not use.
)

// Codes of faults on the way to Envoy.
const (
	CodeTranslate    Code = "GH401" // What cannot be said to Envoy.
	CodeEnvoyRefused Code = "GH402" // What Envoy itself refused.
)

//go:embed codes.md
var codesText string

// Codes returns every code that a fault can carry, in order.
func Codes() []Code {
	var codes []Code
	for section := range sections() {
		codes = append(codes, section)
	}
	return codes
}

// Explain returns what a code means, an example of the mistake and what to do about it, as Markdown that begins with the
// code and its title. ok is false for a code that does not exist; upper and lower case are the same.
func Explain(code Code) (text string, ok bool) {
	for section, body := range sections() {
		if strings.EqualFold(string(section), string(code)) {
			return body, true
		}
	}
	return "", false
}

// sections yields the sections of codes.md: "## CODE title" and all up to the next.
func sections() func(yield func(Code, string) bool) {
	return func(yield func(Code, string) bool) {
		_, rest, found := strings.Cut(codesText, "\n## ")
		for found {
			var section string
			section, rest, found = strings.Cut(rest, "\n## ")
			code, _, _ := strings.Cut(section, " ")
			if !yield(Code(code), strings.TrimRight(section, "\n")+"\n") {
				return
			}
		}
	}
}
