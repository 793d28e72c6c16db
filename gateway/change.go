package gateway

// ChangeKind says what becomes of an object or of a field.
type ChangeKind string

// The kinds of changes, in the order in which they are shown.
const (
	Deleted ChangeKind = "deleted"
	Changed ChangeKind = "changed"
	Added   ChangeKind = "added"
)

// Change is what becomes of one object between two configurations, by what it means: order, comments, shorthands and defaults
// that are written out make none.
type Change struct {
	Kind   ChangeKind    `json:"kind" enum:"deleted,changed,added"`
	Object Ref           `json:"object"`
	Source string        `json:"source,omitempty" doc:"The source that the object belongs to"`
	Team   string        `json:"team,omitempty"`
	Place  Place         `json:"place" doc:"Where it stands; where it stood, if it is deleted"`
	Fields []FieldChange `json:"fields" nullable:"false" doc:"What changes in it; of an object that is added or deleted, all that it says"`
}

// FieldChange is what becomes of one field of an object, or of a part of a file that it includes.
type FieldChange struct {
	Kind   ChangeKind `json:"kind" enum:"deleted,changed,added"`
	Field  string     `json:"field" doc:"Path inside the document, such as operations[getPayment].path"`
	Before string     `json:"before,omitempty" doc:"As YAML on one line, or the lines that change of Rego; secrets are never shown"`
	After  string     `json:"after,omitempty" doc:"As YAML on one line, or the lines that change of Rego; secrets are never shown"`
	Place  Place      `json:"place" doc:"Where the field stands, or stood"`
}
