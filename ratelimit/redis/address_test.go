package redis_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	for text, secret := range map[string]bool{
		"unix:/run/redis.sock":                                                         false,
		"unix:///run/redis.sock?db=2":                                                  false,
		"redis://limits.bank.test":                                                     false,
		"redis://limits.bank.test:6380/2?namespace=edge":                               false,
		"rediss://gatehouse:hunter2@limits.bank.test:6380":                             true,
		"redis://one.bank.test:6379?addr=two.bank.test:6379&addr=three.bank.test:6379": false,
	} {
		if a, err := redis.ParseAddress(text); err != nil || a.Secret != secret {
			t.Errorf("%s: secret %v, %v", text, a.Secret, err)
		}
	}
	for _, text := range []string{
		"", "memory", "limits.bank.test:6379", "http://limits.bank.test", "redis://", "redis:///3", "unix:redis.sock", "unix://host/redis.sock",
		"redis://:hunter2@limits.bank.test:port", "redis://:hunter2@limits.bank.test/three", "redis://:hunter2@limits.bank.test?colour=red",
		"redis://limits.bank.test?namespace={a}", "redis://:hunter2@limits.bank.test/%zz", "rediss://limits.bank.test?skip_verify=true",
	} {
		_, err := redis.ParseAddress(text)
		if !errors.Is(err, redis.ErrAddress) {
			t.Errorf("%s: %v", text, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
