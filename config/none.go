package config

import "fmt"

// orNone is embedded in objects in whose place the word none may stand: what is said at a wider level does not hold then.
type orNone struct{ none bool }

// refusable is an object that embeds orNone.
type refusable interface {
	isNone() bool
}

func (v *orNone) parse(text string) error {
	if text != "none" {
		return fmt.Errorf("%q says nothing here: write the fields that are meant, or none", text)
	}
	v.none = true
	return nil
}

func (v *orNone) isNone() bool { return v.none }
