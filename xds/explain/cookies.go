package explain

import "strings"

// cookies returns the first cookie of each name, as Envoy reads the lines of a Cookie header: parted by semicolons, blanks before a
// name left out, quotes around a value too. What has no equals sign is none.
func cookies(lines []string) map[string]string {
	out := map[string]string{}
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ";") {
			name, value, ok := strings.Cut(strings.TrimLeft(part, " "), "=")
			if _, twice := out[name]; !ok || twice {
				continue
			}
			if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
				value = value[1 : len(value)-1]
			}
			out[name] = value
		}
	}
	return out
}
