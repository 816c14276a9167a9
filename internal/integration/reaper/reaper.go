//go:build unix

// Package reaper ends the servers that a test started, and removes their directory,
// when the test can no longer do so itself: after a panic, the end of its time, or
// kill -9. Such servers would otherwise hold memory and ports for days.
//
// The work is done by a shell that waits at the end of a pipe, whose other end only
// this process holds. The kernel closes it with the process, however that ends. A
// parent death signal would not do: it follows the thread that started the server
// rather than the process, and it removes no directory.
package reaper

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// script reads, line by line, which process groups there are now. After "done" there
// is nothing left to do; at the end of the input its test has died. Everybody is asked
// to end and has five seconds for it. A database that ends by itself also frees what
// it holds beyond its directory, like shared memory.
const script = `
groups=
while read -r line; do
	[ "$line" != done ] || exit 0
	groups=$line
done
for signal in TERM KILL; do
	for group in $groups; do kill -s "$signal" -- "-$group"; done
	tries=0
	while [ "$tries" -lt 50 ]; do
		alive=
		for group in $groups; do ! kill -s 0 -- "-$group" || alive=yes; done
		[ -n "$alive" ] || break
		tries=$((tries + 1))
		sleep 0.1
	done
done
tries=0
until rm -rf -- "$1" || [ "$tries" -ge 50 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
`

// Reaper stands by for one directory and the processes that work in it.
type Reaper struct {
	shell *exec.Cmd
	pipe  io.WriteCloser

	mu     sync.Mutex
	groups []string
}

// New stands by for the directory, until Close. The files in held stay open, and locks
// on them held, until the directory is gone.
func New(dir string, held ...*os.File) (*Reaper, error) {
	shell := exec.Command("sh", "-c", script, "reaper", dir)
	shell.Dir = "/"
	shell.ExtraFiles = held
	// A session of its own, so that what ends the test at a terminal does not end it too.
	shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, fmt.Errorf("a shell that ends the servers of a killed test: %w", err)
	}
	return &Reaper{shell: shell, pipe: pipe}, nil
}

// Start starts the command as cmd.Start does, in a process group of its own, for which
// the reaper stands by until Close.
func (r *Reaper) Start(cmd *exec.Cmd) error {
	InGroup(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	return r.Watch(cmd.Process.Pid)
}

// CombinedOutput runs the command to its end as cmd.CombinedOutput does.
func (r *Reaper) CombinedOutput(cmd *exec.Cmd) ([]byte, error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	err := r.Start(cmd)
	if err == nil {
		err = errors.Join(cmd.Wait(), r.forget(cmd.Process.Pid))
	}
	return []byte(out.String()), err
}

// InGroup lets the command lead a process group of its own when it starts, as Watch
// expects of it.
func InGroup(cmd *exec.Cmd) {
	attributes := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attributes = *cmd.SysProcAttr // others may share it
	}
	attributes.Setpgid = true
	cmd.SysProcAttr = &attributes
}

// Watch stands by for a process group that somebody else started.
func (r *Reaper) Watch(leader int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = append(r.groups, fmt.Sprint(leader))
	return r.tell(strings.Join(r.groups, " "))
}

// forget is called when the group has ended, because its number may be reused.
func (r *Reaper) forget(leader int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.groups = slices.DeleteFunc(r.groups, func(group string) bool { return group == fmt.Sprint(leader) })
	return r.tell(strings.Join(r.groups, " "))
}

func (r *Reaper) tell(line string) error {
	_, err := io.WriteString(r.pipe, line+"\n")
	return err
}

// Close ends the watch and touches nothing. Call it when the servers have ended and the
// directory is gone.
func (r *Reaper) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.tell("done")
	return errors.Join(err, r.pipe.Close(), r.shell.Wait())
}
