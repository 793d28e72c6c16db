package authz

import (
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// subjectText writes the name of a certificate's owner as Envoy does, which lets BoringSSL write it (RFC 2253, the last part
// first, what is not ASCII escaped).
func subjectText(raw []byte) (string, error) {
	type part struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	type partSET []part
	var parts []partSET
	if rest, err := asn1.Unmarshal(raw, &parts); err != nil || len(rest) > 0 {
		return "", fmt.Errorf("the subject cannot be read: %w", err)
	}
	var list []string
	for _, set := range slices.Backward(parts) {
		var texts []string
		for _, p := range slices.Backward(set) {
			texts = append(texts, typeName(p.Type)+"="+valueText(p.Type, p.Value))
		}
		list = append(list, strings.Join(texts, "+"))
	}
	return strings.Join(list, ","), nil
}

// typeName returns the short name that BoringSSL has for the type of a part, or its numbers.
func typeName(id asn1.ObjectIdentifier) string {
	names := map[string]string{
		"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
		"2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.17": "postalCode", "2.5.4.42": "GN", "2.5.4.43": "initials",
		"2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym", "1.2.840.113549.1.9.1": "emailAddress",
		"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
	}
	if name, ok := names[id.String()]; ok {
		return name
	}
	return id.String()
}

// valueText returns the value of a part. What is no text, and what is of a type without a name, is written as its bytes.
func valueText(id asn1.ObjectIdentifier, v asn1.RawValue) string {
	dump := "#" + strings.ToUpper(hex.EncodeToString(v.FullBytes))
	if typeName(id) == id.String() || v.Class != asn1.ClassUniversal {
		return dump
	}
	var text string
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString, asn1.TagT61String, asn1.TagBMPString:
		if _, err := asn1.Unmarshal(v.FullBytes, &text); err != nil {
			return dump
		}
	default:
		return dump
	}
	return escaped(text)
}

// escaped writes a value with the escapes of RFC 2253, section 2.4.
func escaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, "\\%02X", c)
			continue
		case strings.IndexByte(",+\"\\<>;", c) >= 0,
			c == ' ' && (i == 0 || i == len(text)-1), c == '#' && i == 0:
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
