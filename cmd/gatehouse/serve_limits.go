package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/internal/program"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// limitsInMemory is the word for limits that each daemon counts by itself.
const limitsInMemory = "memory"

// addLimits adds the flag that says where limits are counted.
func addLimits(c *cobra.Command, store *string) {
	c.Flags().StringVar(store, "limits-store", limitsInMemory, "where limits are counted: memory, or for all replicas the `ADDRESS` of a Redis or Valkey as redis://, rediss:// or unix:, itself or file:PATH or env:NAME")
	orEnvironment(c.Flags(), "limits-store", "GATEHOUSE_LIMITS_STORE")
}

// limitsStore returns where the flag says that limits are; nil is memory. No error holds the address, in which a password may be.
func limitsStore(text string, lookup program.Lookup) (*redis.Options, error) {
	if text == "" || text == limitsInMemory {
		return nil, nil
	}
	return redisStore("--limits-store", text, lookup)
}

// redisStore reads the address of a Redis that a flag gives. No error holds it, as a password may be in it.
func redisStore(flag, text string, lookup program.Lookup) (*redis.Options, error) {
	referred := strings.HasPrefix(text, "file:") || strings.HasPrefix(text, "env:")
	if referred {
		var err error
		if text, err = secret(text, lookup); err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
	}
	address, err := redis.ParseAddress(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	if address.Secret && !referred {
		return nil, usageError{errors.New(flag + ": an address with a password is not written out: say file:PATH or env:NAME")}
	}
	return &redis.Options{Address: address}, nil
}
