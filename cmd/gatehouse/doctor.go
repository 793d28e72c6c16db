package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// doctorTimeout bounds the whole examination.
const doctorTimeout = 30 * time.Second

// How grave a finding is.
const (
	healthy = "ok"
	worth   = "warning"
	broken  = "problem"
)

// finding is what one check found, and what to do about it.
type finding struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Found string `json:"found"`
	Do    string `json:"do,omitempty"`
}

// doctorOptions are what `gatehouse doctor` is told.
type doctorOptions struct {
	env    surroundings
	daemon daemon
	dir    string
	node   string
	store  storePlace
	damage bool
	format *choice

	findings []finding
}

// newDoctor returns `gatehouse doctor`.
func newDoctor(env surroundings) *cobra.Command {
	o := doctorOptions{env: env}
	c := &cobra.Command{
		Use:   "doctor [DIR]",
		Short: "Look for what is wrong on this machine, and say what to do",
		Long: `Looks at all that Gatehouse needs on this machine: the Envoy binary, the state directory
and its sockets, rights, the disk, the clock, the limits of the process, the store, and what
the running daemon says of itself, its replicas and its Envoys. --store or --data says where
the store is, as for "gatehouse serve"; with --damage all of it is read. With DIR also the documents there: their
faults, the ports that their listeners want, and their certificates. With --node also the
certificate of an Envoy that joined from another host.

Exit code 1 if something is a problem; warnings alone are 0.`,
		Example: `  gatehouse doctor
  gatehouse doctor /etc/gatehouse --state /var/lib/gatehouse
  gatehouse doctor --store file:/etc/gatehouse/store-url --damage
  gatehouse doctor --node /var/lib/gatehouse/node -o json`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneDirectory(c, args)
		},
	}
	o.format = newFormat(c)
	o.daemon.add(c)
	o.store.add(c)
	c.Flags().BoolVar(&o.damage, "damage", false, "read all of the store, and look for damage")
	c.Flags().StringVar(&o.node, "node", "", "`DIRECTORY` of an Envoy that joined with \"gatehouse nodes join\"")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			o.dir = args[0]
		}
		return o.run(c.Context())
	}
	return c
}

func (o *doctorOptions) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	if o.dir != "" {
		if err := directory(o.dir); err != nil {
			return err
		}
	}
	o.envoyBinary(ctx)
	o.stateDirectory()
	o.storeItself(ctx)
	o.limits()
	o.clock()
	alive := o.running(ctx)
	if o.dir != "" {
		o.documents(ctx, alive)
	}
	if o.node != "" {
		o.nodeCertificate()
	}
	err := o.format.write(o.env.stdout, o.findings, func(w io.Writer) error {
		fmt.Fprintln(w, "CHECK\tLEVEL\tFOUND")
		for _, f := range o.findings {
			fmt.Fprintf(w, "%s\t%s\t%s\n", f.Check, f.Level, f.Found)
			if f.Do != "" {
				fmt.Fprintf(w, "\t\t-> %s\n", f.Do)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return o.summarize()
}

// summarize says in one line how it is.
func (o *doctorOptions) summarize() error {
	levels := map[string]int{}
	for _, f := range o.findings {
		levels[f.Level]++
	}
	fmt.Fprintf(o.env.stderr, "%s, %s, %d ok\n", count(levels[broken], "problem"), count(levels[worth], "warning"), levels[healthy])
	if levels[broken] > 0 {
		return silentError{}
	}
	return nil
}

// fine notes that a check found all well.
func (o *doctorOptions) fine(check, format string, args ...any) {
	o.findings = append(o.findings, finding{Check: check, Level: healthy, Found: fmt.Sprintf(format, args...)})
}

// note notes what a check found, and what to do.
func (o *doctorOptions) note(check, level, found, do string) {
	o.findings = append(o.findings, finding{Check: check, Level: level, Found: found, Do: do})
}
