package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// slapd numbers no changes, so plans from a mark are measured against the domain controller
// of the project's own tests, in a process of its own. It has the people that slapd has.

const (
	service     = "svc@ad.example.test"
	servicePass = "S3rvice-of-the-bench!"
)

// controller is such a process.
type controller struct {
	URL      string `json:"url"`
	cmd      *exec.Cmd
	reaper   *reaper.Reaper
	commands io.WriteCloser
	answers  *json.Decoder
}

// startController waits until everybody is there.
func startController(ctx context.Context, dir string, people int) (c *controller, err error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(task{Kind: "controller", People: people})
	if err != nil {
		return nil, err
	}
	c = &controller{cmd: exec.CommandContext(ctx, path, "-task", string(encoded))}
	c.cmd.Dir, c.cmd.Stderr = dir, os.Stderr
	if c.commands, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	said, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.reaper, err = reaper.New(dir); err != nil {
		return nil, err
	}
	if err := c.reaper.Start(c.cmd); err != nil {
		return nil, errors.Join(err, c.reaper.Close())
	}
	c.answers = json.NewDecoder(said)
	if err := c.answers.Decode(c); err != nil {
		return nil, errors.Join(fmt.Errorf("the controller does not answer: %w", err), c.stop())
	}
	return c, nil
}

// stop ends the process, which ends with its input.
func (c *controller) stop() error {
	defer time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() }).Stop()
	return errors.Join(c.commands.Close(), c.cmd.Wait(), c.reaper.Close())
}

// ask gives a command and returns how many requests there were since the one before.
func (c *controller) ask(command string) (requests int, err error) {
	if _, err := fmt.Fprintln(c.commands, command); err != nil {
		return 0, err
	}
	var answer struct{ Requests int }
	err = c.answers.Decode(&answer)
	return answer.Requests, err
}

// The commands of a controller.
const (
	countRequests = "count"
	changeOne     = "change" // one in a hundred
	changeBack    = "change back"
)

// serve is that process: a controller that does what its input says.
func (t task) serve(in io.Reader, out io.Writer) error {
	dc, err := fakead.Start(fakead.Config{AllowUnsafe: true})
	if err != nil {
		return err
	}
	defer dc.Close()
	if _, err := dc.AddOU("People", ""); err != nil {
		return err
	}
	if _, err := dc.AddUser(fakead.User{Username: "svc", UPN: service, Password: servicePass}); err != nil {
		return err
	}
	if err := dc.GrantTombstones(service); err != nil {
		return err
	}
	for i := range t.People {
		e := entryOf(i)
		if _, err := dc.AddUser(fakead.User{ID: fakead.GUID(e.ObjectID), Parent: controllerBase, Username: e.Username,
			FirstName: e.FirstName, LastName: e.LastName, Email: e.Email, Phone: e.Phone}); err != nil {
			return err
		}
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(&controller{URL: dc.PlainURL()}); err != nil {
		return err
	}
	for commands := bufio.NewScanner(in); commands.Scan(); {
		if err := t.obey(dc, commands.Text()); err != nil {
			return err
		}
		if err := answers.Encode(struct{ Requests int }{len(dc.Requests())}); err != nil {
			return err
		}
		dc.ForgetRequests()
	}
	return nil
}

const controllerBase = "OU=People,DC=ad,DC=example,DC=test"

func (t task) obey(dc *fakead.Server, command string) (err error) {
	suffix := ""
	switch command {
	case countRequests:
		return nil
	case changeOne:
		suffix = "9"
	case changeBack:
		// A mark knows the domain again by what was changed last: if that were just the
		// people who are changed next, it would be of no use.
		defer func() {
			err = errors.Join(err, dc.SetAttribute(dc.ID("CN=svc,CN=Users,"+dc.BaseDN()), "description", time.Now().String()))
		}()
	default:
		return fmt.Errorf("there is no command %q", command)
	}
	for i := 1; i < t.People; i += 100 {
		e := entryOf(i)
		if err := dc.SetAttribute(fakead.GUID(e.ObjectID), "telephoneNumber", e.Phone+suffix); err != nil {
			return err
		}
	}
	return nil
}
