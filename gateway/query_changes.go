package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// QueryChanges are changes of the parameters of a request's query. Parameters that are not named stay as they are spelt.
type QueryChanges struct {
	Set    []Parameter `json:",omitempty"` // In place of whatever there is.
	Add    []Parameter `json:",omitempty"` // Beside whatever there is.
	Remove []string    `json:",omitempty"`
}

// Parameter is a parameter of a query: its name, and what its value is made of (QueryParts).
type Parameter struct {
	Name  string
	Value []HeaderPart
}

// QueryParts returns what a parameter's value may take from a request.
func QueryParts() []RequestedPart {
	return []RequestedPart{
		PartClientAddress, PartRequestID, PartRequestHost, PartRequestMethod, PartRoute, PartGateway, PartAPI, PartVersion, PartOperation,
	}
}

const maxParameterName = 128

// CheckParameterName tells why a name cannot be that of a parameter; nil where it can.
func CheckParameterName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of a parameter is empty: write it")
	case len(name) > maxParameterName || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("&=#%+", r) }):
		return fmt.Errorf("%q is no name of a parameter: write letters, digits and '-', '_', '.', '[' or ']'", name)
	}
	return nil
}

// CheckQueryParts tells what of a value a query cannot hold; nil where it can hold all.
func CheckQueryParts(value []HeaderPart) error {
	for _, p := range value {
		if p.Field != "" && !slices.Contains(QueryParts(), p.Field) {
			return fmt.Errorf("{%s} cannot stand in a query: write one of %s", p.Field, partNames(QueryParts()))
		}
	}
	return nil
}
