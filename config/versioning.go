package config

import (
	"fmt"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// versionHeader is the header by which a version is told where the document names no other.
const versionHeader = "x-api-version"

// versioningFields say how requests for one version of an API are told from those for another. They are flat fields of an exposure:
// what tells a version is a fact about the place where it is reached, and the same version may be told by its base for old clients
// and by a header for new ones.
type versioningFields struct {
	By            string `yaml:"by" jsonschema:"enum=path,enum=header,enum=host,default=path" doc:"How a version is told apart from others: by its base, by its hosts, which no other version may have then, or by a header of the request that is the version as this document has it. Such routes answer with Vary."`
	VersionHeader string `yaml:"version-header" jsonschema:"default=x-api-version" doc:"The header that tells the version, where that is told by a header."`
	Default       bool   `yaml:"default" jsonschema:"default=false" doc:"Whether requests without the header are meant for this version. One version of several can say so; where none does, they get 404."`
}

func (f *versioningFields) lengthen() { f.VersionHeader = strings.ToLower(f.VersionHeader) }

func (f versioningFields) versioning() gateway.Versioning {
	switch f.By {
	case "header":
		return gateway.Versioning{Header: strings.ToLower(or(f.VersionHeader, versionHeader)), Default: f.Default}
	case "host":
		return gateway.Versioning{ByHost: true}
	}
	return gateway.Versioning{}
}

// checkVersioning reports what does not go together in the exposures of an API or Route.
func checkVersioning(o *object, list []exposureFields) {
	for i, f := range list {
		at := fmt.Sprintf("expose[%d]", i)
		switch {
		case f.By != "" && f.By != "path" && o.ref.Kind == gateway.KindRoute:
			o.fault(gateway.CodeConflict, join(at, "by"), "a Route has no version: remove by, and write conditions under match")
		case f.By != "header" && (f.VersionHeader != "" || f.Default):
			o.fault(gateway.CodeConflict, at, "version-header and default are about versions that a header tells: write by: header, or remove them")
		case f.By == "host" && len(f.Hosts) == 0:
			o.fault(gateway.CodeMissingField, at, "by: host needs the hosts of this version: write hosts")
		}
		if f.VersionHeader != "" {
			checkHeader(o, join(at, "version-header"), f.VersionHeader)
		}
	}
}
