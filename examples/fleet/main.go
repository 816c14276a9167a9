// Command fleet keeps many tenants in step with their directories, on as many machines as
// there are, by River on PostgreSQL. It is meant to be copied: read schema.sql, then
// fleet.go, work.go, verdict.go and admin.go; the rest is a demonstration.
//
//	go run ./examples/fleet
//
// shows a day in a minute: a PostgreSQL and twenty directories of its own, and what happens
// when some of them fail. With -database it is a machine of a real fleet.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"
)

const usage = `fleet [flags] [command]

Without a command it works on the syncs that are due, until it is interrupted.

  list                            what each sync did last, and when it is due
  pause TENANT SOURCE             rest
  resume TENANT SOURCE            go on, and drop a plan that is held
  run TENANT SOURCE               now
  show TENANT SOURCE              the plan that waits for an approval
  approve TENANT SOURCE DIGEST    let just that plan pass

Passwords are read from the environment: FLEET_SECRET_ and the name in the table.

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	flags.SetOutput(log)
	flags.Usage = func() { fmt.Fprint(log, usage); flags.PrintDefaults() }
	database := flags.String("database", os.Getenv("FLEET_DATABASE"), "`address` of the PostgreSQL database; without one, a demonstration")
	tick := flags.Duration("tick", 15*time.Second, "how long after its time a sync may begin")
	workers := flags.Int("workers", 4, "syncs at once on this machine")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *database == "" {
		if flags.NArg() > 0 {
			return errors.New("fleet: name the database, by -database or FLEET_DATABASE")
		}
		return demonstrate(ctx, out, dayInAMinute)
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	f, err := open(ctx, *database, settings{tick: *tick, workers: *workers, secret: secretOf, logger: logger})
	if err != nil {
		return err
	}
	defer f.close()
	if flags.NArg() > 0 {
		return f.command(ctx, out, flags.Args())
	}
	if err := f.migrate(ctx); err != nil {
		return err
	}
	return f.serve(ctx)
}

// secretOf reads a password from the environment. A real fleet asks its secret store.
func secretOf(name string) (string, error) {
	if password, ok := os.LookupEnv("FLEET_SECRET_" + name); ok {
		return password, nil
	}
	return "", fmt.Errorf("fleet: the environment has no FLEET_SECRET_%s", name)
}

func (f *fleet) command(ctx context.Context, out io.Writer, args []string) error {
	name, rest := args[0], args[1:]
	switch {
	case name == "list" && len(rest) == 0:
		return f.list(ctx, out)
	case name == "pause" && len(rest) == 2:
		return f.pause(ctx, rest[0], rest[1])
	case name == "resume" && len(rest) == 2:
		return f.resume(ctx, rest[0], rest[1])
	case name == "run" && len(rest) == 2:
		return f.runNow(ctx, rest[0], rest[1])
	case name == "show" && len(rest) == 2:
		return f.show(ctx, out, rest[0], rest[1])
	case name == "approve" && len(rest) == 3:
		who := "somebody"
		if u, err := user.Current(); err == nil {
			who = u.Username
		}
		return f.approve(ctx, rest[0], rest[1], rest[2], who)
	}
	return fmt.Errorf("fleet: %q is no command of mine; see -h", strings.Join(args, " "))
}
