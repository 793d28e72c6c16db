package store

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// sealingKeySize is that of AES-256, in bytes.
const sealingKeySize = 32

// ring holds the sealing keys: the first one seals, all open. Each encrypts with AES-256-GCM and a random nonce in front. An
// empty ring leaves secrets as they are.
type ring []cipher.AEAD

// newRing makes a ring of keys of 32 bytes.
func newRing(keys [][]byte) (ring, error) {
	var all ring
	for _, key := range keys {
		if len(key) != sealingKeySize {
			return nil, fmt.Errorf("%w: the sealing key has %d bytes, and %d are needed", ErrInvalid, len(key), sealingKeySize)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		sealer, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		all = append(all, sealer)
	}
	return all, nil
}

// seal encrypts a secret for one owner, such as authority/ID: put in the place of another's it does not open.
func (r ring) seal(secret []byte, owner string) (out []byte, sealed bool) {
	if len(r) == 0 {
		return secret, false
	}
	return r[0].Seal(nil, nil, secret, []byte(owner)), true
}

// open decrypts what was sealed for an owner, by any of the keys, and passes on what was not sealed.
func (r ring) open(stored []byte, sealed bool, owner string) ([]byte, error) {
	if !sealed {
		return stored, nil
	}
	if len(r) == 0 {
		return nil, fmt.Errorf("%w: none is given", ErrSealed)
	}
	for _, sealer := range r {
		if secret, err := sealer.Open(nil, nil, stored, []byte(owner)); err == nil {
			return secret, nil
		}
	}
	return nil, ErrSealed // What GCM says besides is nothing.
}
