package config

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestEveryTypeHasAnInverse walks through all types of which documents are made: what reads itself must be able to write
// itself too, and no kind of value may be new to the canonical form.
func TestEveryTypeHasAnInverse(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var walk func(path string, v reflect.Type)
	walk = func(path string, v reflect.Type) {
		if seen[v] {
			return
		}
		seen[v] = true
		p := reflect.New(v)
		_, reads := reflect.TypeAssert[noder](p)
		_, forms := reflect.TypeAssert[former](p)
		_, parses := reflect.TypeAssert[texter](p)
		_, writes := reflect.TypeAssert[fmt.Stringer](p)
		_, located := reflect.TypeAssert[located](p)
		if _, optional := reflect.TypeAssert[refusable](p); optional {
			parses = false // Of its texts it takes none alone, and writes that.
		}
		switch {
		case reads && !forms:
			t.Errorf("%s: %s reads its YAML itself and has no form", path, v)
		case parses && v.Kind() != reflect.String && !writes && !forms && !located:
			t.Errorf("%s: %s reads a text and cannot write it", path, v)
		case parses || forms:
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for _, r := range readRecord(v).rules {
				if r.reserved == "" {
					walk(path+"."+r.name, v.FieldByIndex(r.index).Type)
				}
			}
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(path, v.Elem())
		case reflect.String, reflect.Int, reflect.Bool, reflect.Interface:
		default:
			t.Errorf("%s: a %s has no canonical form", path, v)
		}
	}
	for _, kind := range kinds() {
		walk(kind, reflect.TypeOf(newDocument(gateway.Kind(kind))).Elem())
	}
	if len(seen) < 40 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

// TestListsOfObjectsHaveKeys wants every list of objects to be compared by what its items are called, or to have a reason.
func TestListsOfObjectsHaveKeys(t *testing.T) {
	t.Parallel()
	byPosition := map[string]string{"waves": "their order is what they are", "all": "proofs have no names", "any": "proofs have no names"}
	seen := 0
	for _, v := range []reflect.Type{
		reflect.TypeFor[apiDocument](), reflect.TypeFor[operationFields](), reflect.TypeFor[routeDocument](), reflect.TypeFor[gatewayDocument](),
		reflect.TypeFor[authenticateFields](), reflect.TypeFor[endpointsFields](), reflect.TypeFor[rolloutFields](), reflect.TypeFor[upstreamDocument](),
	} {
		for _, r := range readRecord(v).rules {
			field := v.FieldByIndex(r.index).Type
			if field.Kind() != reflect.Slice || field.Elem().Kind() != reflect.Struct || len(readRecord(field.Elem()).rules) == 0 || r.reserved != "" {
				continue
			}
			seen++
			if _, ok := byPosition[r.name]; !ok && (r.by == "" || readRecord(field.Elem()).byName[r.by] == nil) {
				t.Errorf("%s.%s: a list of objects without the tag by", v.Name(), r.name)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d lists were seen", seen)
	}
}
