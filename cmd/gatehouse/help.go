package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/suggest"
	"github.com/gatehouse/gatehouse/posture"
)

// newHelp returns `gatehouse help`, which explains verbs and the codes of faults.
func newHelp(env surroundings) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB | CODE | codes]",
		Short: "Explain a verb, or the code of a fault",
		Long: `Explains a verb, or what a fault's code means, an example of the mistake and what to do
about it. "codes" lists all codes. The rules of posture (GS...) and lint (GL...) are
explained too.`,
		Example: `  gatehouse help render
  gatehouse help GH205
  gatehouse help codes`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				if args[0] == "codes" {
					return listCodes(env)
				}
				if text, ok := gateway.Explain(gateway.Code(args[0])); ok {
					_, err := fmt.Fprint(env.stdout, text)
					return err
				}
				if text, ok := posture.Explain(args[0]); ok {
					_, err := fmt.Fprint(env.stdout, text)
					return err
				}
				if isCode(args[0]) {
					return usageError{fmt.Errorf("there is no code %s%s", args[0], nearCode(args[0]))}
				}
			}
			verb, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("there is neither a verb nor a code %q", strings.Join(args, " "))}
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

// listCodes prints every code with its title.
func listCodes(env surroundings) error {
	for _, code := range gateway.Codes() {
		text, _ := gateway.Explain(code)
		title, _, _ := strings.Cut(text, "\n")
		if _, err := fmt.Fprintln(env.stdout, title); err != nil {
			return err
		}
	}
	for _, r := range slices.Concat(posture.Security(), posture.Style()) {
		if _, err := fmt.Fprintln(env.stdout, r.ID, r.Title); err != nil {
			return err
		}
	}
	return nil
}

// isCode tells whether a word is meant as a code, or as a rule.
func isCode(word string) bool {
	return len(word) > 2 && slices.Contains([]string{"GH", "GS", "GL"}, strings.ToUpper(word[:2])) && strings.Trim(word[2:], "0123456789") == ""
}

// nearCode suggests a code that exists.
func nearCode(word string) string {
	var codes []string
	for _, code := range gateway.Codes() {
		codes = append(codes, string(code))
	}
	for _, r := range slices.Concat(posture.Security(), posture.Style()) {
		codes = append(codes, r.ID)
	}
	if near, ok := suggest.Nearest(strings.ToUpper(word), codes); ok {
		return fmt.Sprintf(": did you mean %s? \"gatehouse help codes\" lists all", near)
	}
	return `: "gatehouse help codes" lists all`
}
