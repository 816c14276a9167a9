//go:build linux

package samba

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// process is a running samba in a process group of its own.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	logFile string
	done    chan struct{} // closed when the process has ended and is reaped
}

// startProcess starts samba in the foreground. It ends when its standard input does.
func startProcess(standby *reaper.Reaper, config, logFile string) (*process, error) {
	output, err := os.Create(logFile)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command("samba", "--interactive", "--model=single", "--configfile="+config, "--debug-stdout", "--debuglevel=1")
	cmd.Stdout, cmd.Stderr = output, output
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := standby.Start(cmd); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, logFile: logFile, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended is in the log; a signal of ours is the usual way
	}()
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the whole group to end, then insists.
func (p *process) stop() error {
	defer p.stdin.Close()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(-p.cmd.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		select {
		case <-p.done:
			return nil
		case <-time.After(10 * time.Second):
		}
	}
	return errors.New("samba does not end")
}

func (p *process) log() string {
	text, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
