package store

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// sealingKeySize is that of AES-256, in bytes.
const sealingKeySize = 32

// sealer returns what encrypts keys: AES-256-GCM with a random nonce in front of each. Without a key it is nil.
func sealer(key []byte) (cipher.AEAD, error) {
	if len(key) == 0 {
		return nil, nil
	}
	if len(key) != sealingKeySize {
		return nil, fmt.Errorf("%w: the sealing key has %d bytes, and %d are needed", ErrInvalid, len(key), sealingKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts a key for one owner: put in the place of another's it does not open. Without a sealer the key stays as it is.
func seal(aead cipher.AEAD, key []byte, owner string) (out []byte, sealed bool, err error) {
	if aead == nil {
		return key, false, nil
	}
	return aead.Seal(nil, nil, key, []byte("authority/"+owner)), true, nil
}

func unseal(aead cipher.AEAD, sealed []byte, owner string) ([]byte, error) {
	if aead == nil {
		return nil, fmt.Errorf("%w: none is given", ErrSealed)
	}
	key, err := aead.Open(nil, nil, sealed, []byte("authority/"+owner))
	if err != nil {
		return nil, ErrSealed // What GCM says besides is nothing.
	}
	return key, nil
}
