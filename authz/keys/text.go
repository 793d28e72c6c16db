package keys

import (
	"crypto/rand"
	"encoding/base32"
)

// The text of a key is Prefix, an id, a dot and a secret: ghk_ 16 characters . 52 characters, 73 in all, each of a-z and 2-7
// behind the prefix. It has one length and no checksum, so scanners for leaked secrets find it by
//
//	ghk_[a-z2-7]{16}\.[a-z2-7]{52}
//
// and what is of another form is refused before anything is hashed. The id is public: 80 bits that name the credential, in lists,
// records and the audit. The secret is 256 random bits; only the HMAC-SHA-256 of its 52 characters is kept anywhere.
const (
	Prefix     = "ghk_"
	idText     = 16
	idBytes    = 10
	secretText = 52
	Length     = len(Prefix) + idText + 1 + secretText // Of the text, in bytes.
)

// packed is the id of a credential, in few bytes.
type packed [idBytes]byte

// form is how ids and secrets are written: base 32 (RFC 4648 section 6) in lower case, without padding.
func form() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// Fresh makes the id and the secret of a new key from random bytes.
func Fresh() (id, secret string) {
	random := make([]byte, idBytes+32)
	_, _ = rand.Read(random) // It never fails.
	return form().EncodeToString(random[:idBytes]), form().EncodeToString(random[idBytes:])
}

// Text is the text of a key with an id and a secret.
func Text(id, secret string) string { return Prefix + id + "." + secret }

// ID returns the id in the text of a key, or ErrMalformed. It says nothing about whether there is such a key; whoever counts
// failures by key counts by this. What it returns shares the memory of the text.
func ID(text string) (string, error) {
	_, named, _, err := parse(text)
	return named, err
}

// parse takes the text of a key apart. It hashes nothing and allocates nothing.
func parse(text string) (key packed, named, secret string, err error) {
	const dot = len(Prefix) + idText
	if len(text) != Length || text[:len(Prefix)] != Prefix || text[dot] != '.' {
		return packed{}, "", "", ErrMalformed
	}
	named, secret = text[len(Prefix):dot], text[dot+1:]
	key, ok := pack(named)
	if !ok {
		return packed{}, "", "", ErrMalformed
	}
	for i := range len(secret) {
		if value(secret[i]) < 0 {
			return packed{}, "", "", ErrMalformed
		}
	}
	return key, named, secret, nil
}

// pack returns an id in few bytes; false where it is not of the form.
func pack(named string) (key packed, ok bool) {
	if len(named) != idText {
		return packed{}, false
	}
	var bits, held uint
	at := 0
	for i := range len(named) {
		v := value(named[i])
		if v < 0 {
			return packed{}, false
		}
		bits, held = bits<<5|uint(v), held+5
		if held >= 8 {
			held -= 8
			key[at] = byte(bits >> held)
			at++
		}
	}
	return key, true
}

// String returns an id as it is written.
func (i packed) String() string { return form().EncodeToString(i[:]) }

// value returns what a character of an id or a secret stands for; below zero where it is none.
func value(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= '2' && c <= '7':
		return int(c-'2') + 26
	}
	return -1
}
