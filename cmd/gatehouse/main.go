// Command gatehouse is everything that Gatehouse does, as one program: the daemon, and the verbs by which a person tries,
// checks and asks it.
//
// In: arguments, the environment, documents. Out: data on the standard output, words on the standard error, and an exit
// code: 0 ok, 1 failed, 2 there are changes, 64 wrong usage. Only here are signals caught, the environment read and the
// process ended.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/internal/terminal"
)

func main() { os.Exit(run(system(), os.Args[1:])) }

// surroundings are what a verb sees of the process it runs in.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	failures       io.Writer // Set by execute: the standard error even with --quiet, for why a verb failed, and for logs.
	terminal       func(stream any) bool
	lookup         func(name string) (value string, ok bool)
	now            func() time.Time
	program        string // How the user called it.
	arguments      []string
	environ        func() []string
}

// system returns the surroundings of the real process.
func system() surroundings {
	return surroundings{
		stdin: os.Stdin, stdout: onScreen(os.Stdout, terminal.Is), stderr: onScreen(os.Stderr, terminal.Is), terminal: isTerminal,
		lookup: os.LookupEnv, now: time.Now, program: os.Args[0], arguments: os.Args[1:], environ: os.Environ,
	}
}

// run executes one command line and returns the exit code. The first SIGINT or SIGTERM ends the verb in good order, the
// second ends the process at once.
func run(env surroundings, args []string) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals) // Before anybody can see that the first one was heard: the second must find nobody listening.
		cancel()
	}()
	return execute(ctx, env, args)
}
