package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/gatehouse/gatehouse/gateway"
)

// limitKey is what a limit counts by.
type limitKey string

const limitKeys = "client.address, header.NAME, query.NAME, path.PARAMETER, token.CLAIM, consumer, application or plan"

func (v *limitKey) parse(text string) error {
	source, part, _ := strings.Cut(text, ".")
	switch {
	case text == gateway.KeyAddress, text == gateway.KeyConsumer, text == gateway.KeyApplication, text == gateway.KeyPlan:
	case source == "token" && part != "" && !strings.ContainsAny(part, " \t\r\n"):
	case source == "header" && part != "" && every(part, headerCharacter):
		text = strings.ToLower(text)
	case source == "query" && part != "" && every(part, func(c byte) bool { return c > ' ' && c < 0x7f && c != '&' && c != '=' && c != '#' }):
	case source == "path" && part != "" && every(part, func(c byte) bool { return wordCharacter(c) || c == '-' || c == '.' }):
	default:
		return &refusal{code: gateway.CodeLimitKey, text: fmt.Sprintf("a limit cannot count by %q: write %s", text, limitKeys)}
	}
	*v = limitKey(text)
	return nil
}

func (limitKey) JSONSchema() *jsonschema.Schema {
	return pattern(`^(client\.address|consumer|application|plan|(token|header|query|path)\.\S+)$`,
		"client.address", "consumer", "token.sub", "header.x-tenant", "query.tenant", "path.account")
}

// limitPer is the length of a window: a duration, or a period of the calendar.
type limitPer struct {
	every  gateway.Period
	length time.Duration
}

const (
	minPer = time.Second
	maxPer = 366 * 24 * time.Hour
)

func (v *limitPer) parse(text string) error {
	switch p := gateway.Period(text); p {
	case gateway.Daily, gateway.Weekly, gateway.Monthly:
		*v = limitPer{every: p}
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || strings.Trim(text, "0123456789msh") != "" {
		return fmt.Errorf("%q is no length of a window: write a duration, as in 1s, 1m or 24h, or day, week or month of the calendar", text)
	}
	if d < minPer || d > maxPer {
		return fmt.Errorf("the interval %q is too short or too long: write 1s to %dh", text, maxPer/time.Hour)
	}
	v.length = d
	return nil
}

// String returns the period, or the span as a duration does.
func (v limitPer) String() string {
	if v.every != "" {
		return string(v.every)
	}
	return span(v.length)
}

func (limitPer) JSONSchema() *jsonschema.Schema {
	return pattern(`^(day|week|month|([0-9]+(ms|s|m|h))+)$`, "1s", "1m", "1h", "month")
}

// byteSize is a number of bytes such as 1KiB.
type byteSize int64

// byteUnits are the units of sizes, the largest first.
func byteUnits() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}
}

func (v *byteSize) parse(text string) error {
	for _, unit := range byteUnits() {
		digits, ok := strings.CutSuffix(text, unit.name)
		if n, err := strconv.ParseUint(digits, 10, 32); ok && err == nil && n > 0 && int64(n) <= (1<<40)/unit.bytes {
			*v = byteSize(int64(n) * unit.bytes)
			return nil
		}
	}
	return fmt.Errorf("%q is no size: write a number and a unit, as in 512B, 1KiB or 4MiB", text)
}

// String returns the size in the largest unit of which it is a whole number.
func (v byteSize) String() string {
	for _, unit := range byteUnits() {
		if v > 0 && int64(v)%unit.bytes == 0 {
			return strconv.FormatInt(int64(v)/unit.bytes, 10) + unit.name
		}
	}
	return ""
}

func (byteSize) JSONSchema() *jsonschema.Schema {
	return pattern(`^[0-9]+(B|KiB|MiB|GiB)$`, "1KiB", "64KiB", "1MiB")
}
