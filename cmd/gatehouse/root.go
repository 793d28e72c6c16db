package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed  = 1
	exitChanges = 2
	exitUsage   = 64 // EX_USAGE of sysexits.h.
)

// Groups of verbs in the overview.
const (
	groupTry    = "try"
	groupWork   = "work"
	groupChange = "change"
	groupLive   = "live"
	groupOther  = "other"
)

// usageError is wrong usage that only a verb itself can see.
type usageError struct{ error }

// silentError ends a verb with exit code 1 after it has said all there is to say.
type silentError struct{}

// Error returns nothing that is worth printing.
func (silentError) Error() string { return "failed" }

// changesError ends a verb that compares with exit code 2, after it has shown what differs.
type changesError struct{}

// Error returns nothing that is worth printing.
func (changesError) Error() string { return "there are changes" }

// hushed is a writer of words that --quiet drops.
type hushed struct {
	io.Writer
	quiet bool
}

// Write writes, or drops what it is given.
func (h *hushed) Write(text []byte) (int, error) {
	if h.quiet {
		return len(text), nil
	}
	return h.Writer.Write(text)
}

// execute runs one command line: words of an error go to stderr, the exit code comes back.
func execute(ctx context.Context, env surroundings, args []string) int {
	words := &hushed{Writer: env.stderr}
	env.failures, env.stderr = env.stderr, words
	root := newRoot(env)
	root.PersistentFlags().BoolVarP(&words.quiet, "quiet", "q", false, "say nothing but data and errors")
	root.SetArgs(args)
	running := false
	wrap(root, func() { running = true })
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	switch {
	case errors.Is(err, silentError{}):
		return exitFailed
	case errors.Is(err, changesError{}):
		return exitChanges
	}
	fmt.Fprintf(env.failures, "gatehouse: %s\n", err)
	if _, wrong := errors.AsType[usageError](err); wrong || !running {
		fmt.Fprintf(env.failures, "See %q.\n", command.CommandPath()+" --help")
		return exitUsage
	}
	return exitFailed
}

// wrap makes every verb report that it has begun, as an error from before that is wrong usage, and lets it suggest verbs.
func wrap(c *cobra.Command, begin func()) {
	if verb := c.RunE; verb != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			begin()
			return verb(c, args)
		}
	}
	c.SuggestionsMinimumDistance = 2
	for _, child := range c.Commands() {
		wrap(child, begin)
	}
}

// newRoot returns the whole tree of verbs.
func newRoot(env surroundings) *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "An API gateway made of stock Envoy proxies",
		Long: `Gatehouse makes a fleet of stock Envoy proxies a managed API gateway: APIs, policies
and limits are documents in a directory, and every Envoy gets what they say.

Where a flag shows a variable in brackets, such as [GATEHOUSE_STATE], the environment
may say it instead. Data goes to the standard output, words to the standard error.
Exit codes: 0 ok, 1 failed, 2 there are changes, 64 wrong usage.`,
		Example:       "  gatehouse up examples/quickstart",
		Args:          unknownVerb,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		// What the environment says is put in before required flags are missed.
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return fromEnvironment(c, env.lookup) },
	}
	root.SetUsageTemplate(usageTemplate)
	root.SetOut(env.stdout)
	root.SetErr(env.failures)
	root.AddGroup(
		&cobra.Group{ID: groupTry, Title: "Try it:"},
		&cobra.Group{ID: groupWork, Title: "Work on documents:"},
		&cobra.Group{ID: groupChange, Title: "Change what is live:"},
		&cobra.Group{ID: groupLive, Title: "Run it, and ask what runs:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	add := func(group string, verbs ...*cobra.Command) {
		for _, v := range verbs {
			v.GroupID = group
			root.AddCommand(v)
		}
	}
	add(groupTry, newInit(env), newUp(env), newDoctor(env), newEcho(env), newToken(env))
	add(groupWork, newValidate(env), newLint(env), newPosture(env), newPolicy(env), newRender(env), newSchema(env), newConvert(env))
	add(groupChange, newPlan(env), newApply(env), newRollback(env), newHistory(env), newShow(env), newDiff(env), newDump(env),
		newRoute(env), newAPI(env), newUpstream(env), newWeight(env))
	add(groupLive, newServe(env), newAuthz(env), newRatelimit(env), newBootstrap(env), newNodes(env), newEndpoints(env), newFleet(env), newRollout(env), newConfirm(env), newExplain(env), newWhy(env), newStore(env), newAccess(env), newApp(env), newKey(env), newLimit(env), newAudit(env), newReplicas(env), newUsage(env))
	add(groupOther, newContext(env), newLogin(env), newVersion(env))
	completeContextFlags(root, completeContexts(env))
	root.SetHelpCommand(newHelp(env))
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	root.InitDefaultCompletionCmd()
	return root
}

// usageTemplate is cobra's, in the words of this house.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Example:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}{{$verbs := .Commands}}
{{- range $group := .Groups}}

{{.Title}}{{range $verbs}}{{if and (eq .GroupID $group.ID) (or .IsAvailableCommand (eq .Name "help"))}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}{{else}}

Verbs:{{range $verbs}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}{{end}}

"{{.CommandPath}} VERB --help" tells more about a verb.{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 110 | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

With every verb:
{{.InheritedFlags.FlagUsagesWrapped 110 | trimTrailingWhitespaces}}{{end}}
`

// noWords is the argument check of verbs that take flags alone.
func noWords(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no words: %q is one too many", c.Name(), args[0])
	}
	return nil
}

// unknownVerb refuses words where a verb is expected.
func unknownVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("there is no verb %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf(": did you mean %q?", near[0])
	}
	return errors.New(message)
}
