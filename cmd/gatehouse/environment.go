package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variableKey is the annotation of a flag that holds the name of its environment variable.
const variableKey = "environment"

// orEnvironment lets an environment variable say what a flag does not, and tells so in the flag's help.
func orEnvironment(flags *pflag.FlagSet, name, variable string) {
	f := flags.Lookup(name)
	f.Usage += " [" + variable + "]"
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[variableKey] = []string{variable}
}

// fromEnvironment sets the flags that the command line leaves out from their variables. An empty variable says nothing.
func fromEnvironment(c *cobra.Command, lookup func(string) (string, bool)) error {
	var failed error
	c.Flags().VisitAll(func(f *pflag.Flag) {
		names := f.Annotations[variableKey]
		if f.Changed || len(names) == 0 || failed != nil {
			return
		}
		value, ok := lookup(names[0])
		if !ok || value == "" {
			return
		}
		if err := c.Flags().Set(f.Name, value); err != nil {
			failed = fmt.Errorf("the variable %s: %w", names[0], err)
		}
	})
	return failed
}

// choice is a flag that takes one of several words.
type choice struct {
	value string
	words []string
}

// newChoice returns a flag value with its default.
func newChoice(value string, words ...string) choice { return choice{value: value, words: words} }

// add adds the flag to a verb, with its words for a shell to complete.
func (c *choice) add(to *cobra.Command, name, shorthand, usage string) {
	to.Flags().VarP(c, name, shorthand, usage)
	// It fails only for a flag that does not exist or completes already.
	_ = to.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(c.words, cobra.ShellCompDirectiveNoFileComp))
}

// String returns the chosen word.
func (c *choice) String() string { return c.value }

// Type is shown in help.
func (c *choice) Type() string { return strings.Join(c.words, "|") }

// Set takes one of the words.
func (c *choice) Set(word string) error {
	for _, w := range c.words {
		if w == word {
			c.value = w
			return nil
		}
	}
	return fmt.Errorf("choose one of %s", strings.Join(c.words, ", "))
}
