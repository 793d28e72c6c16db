package admin

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// complete adds to the document what holds for every operation: who may call, what is answered to who may not, and tags.
func complete(document *huma.OpenAPI) {
	document.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "Over TCP: an access token, or a token of an issuer that the daemon knows."},
	}
	for _, schema := range document.Components.Schemas.Map() {
		optional(schema)
	}
	document.Security = []map[string][]string{{"token": {}}}
	for path, item := range document.Paths {
		for method, described := range methods(item) {
			op := operation{id: described.OperationID, path: path, changes: changes(method, described.OperationID)}
			delete(described.Responses, "default")
			refusals(described, op)
			if op.conditional() {
				described.Parameters = append(described.Parameters, tagParameter("If-Match", "Only if what is changed still has one of these entity tags"))
			}
			if !op.changes && method == http.MethodGet && op.id != "watchEvents" {
				described.Parameters = append(described.Parameters, tagParameter("If-None-Match", "Not again what has one of these entity tags"))
				described.Responses["304"] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
				if ok := described.Responses["200"]; ok != nil {
					ok.Headers = withHeader(ok.Headers, "ETag", "Entity tag of the answer")
				}
			}
		}
	}
}

// optional says that what may be absent may also be null, as it is read.
func optional(schema *huma.Schema) {
	for name, property := range schema.Properties {
		if property == nil || property.Type == "" || slices.Contains(schema.Required, name) || property.ReadOnly {
			continue
		}
		property.Nullable = true
		if len(property.Enum) > 0 && !slices.Contains(property.Enum, nil) {
			property.Enum = append(property.Enum, nil)
		}
	}
}

func tagParameter(name, doc string) *huma.Param {
	return &huma.Param{Name: name, In: "header", Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
}

func withHeader(headers map[string]*huma.Param, name, doc string) map[string]*huma.Param {
	if headers == nil {
		headers = map[string]*huma.Param{}
	}
	headers[name] = &huma.Param{Description: doc, Schema: &huma.Schema{Type: huma.TypeString}}
	return headers
}

// refusals documents the problem documents (RFC 9457) that any operation may answer.
func refusals(described *huma.Operation, op operation) {
	statuses := []int{
		http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotAcceptable,
		http.StatusMisdirectedRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}
	if op.conditional() {
		statuses = append(statuses, http.StatusPreconditionFailed)
	}
	if described.RequestBody != nil {
		statuses = append(statuses, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	for _, status := range statuses {
		code := strconv.Itoa(status)
		if described.Responses[code] == nil {
			described.Responses[code] = &huma.Response{
				Description: http.StatusText(status),
				Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: "#/components/schemas/ErrorModel"}}},
			}
		}
	}
	described.Responses["401"].Headers = withHeader(described.Responses["401"].Headers, "WWW-Authenticate", "RFC 6750")
	described.Responses["503"].Headers = withHeader(described.Responses["503"].Headers, "Retry-After", "In seconds")
}
