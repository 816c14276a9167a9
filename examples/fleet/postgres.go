package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/go-adsync/adsync/internal/integration/reaper"
)

// postgres is a PostgreSQL of the demonstration's own, in a directory that goes with it. It
// listens on a socket there and nowhere else.
type postgres struct {
	dir    string
	as     *syscall.SysProcAttr // PostgreSQL refuses to run as root
	reaper *reaper.Reaper
	server *exec.Cmd
}

func newPostgres(ctx context.Context) (*postgres, error) {
	dir, err := os.MkdirTemp("", "adsync-fleet-")
	if err != nil {
		return nil, err
	}
	p := &postgres{dir: dir}
	if p.reaper, err = reaper.New(dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := p.init(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgres) init(ctx context.Context) error {
	if os.Getuid() == 0 {
		account, err := user.Lookup("postgres")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(account.Uid)
		gid, _ := strconv.Atoi(account.Gid)
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return err
		}
		p.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	cmd, err := p.command("initdb", "-D", p.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	if err != nil {
		return err
	}
	if out, err := p.reaper.CombinedOutput(cmd); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return p.start(ctx)
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) dsn() string {
	return fmt.Sprintf("host=%s user=postgres dbname=postgres", p.dir)
}

// command finds the program where Debian keeps it, too, and lets it work in the directory.
func (p *postgres) command(name string, args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
		if len(found) == 0 {
			return nil, fmt.Errorf("fleet: there is no %s here; install PostgreSQL, or name a database by -database", name)
		}
		path = found[len(found)-1]
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.as
	return cmd, nil
}

// start runs the server and waits until it answers.
func (p *postgres) start(ctx context.Context) error {
	cmd, err := p.command("postgres", "-D", p.data(), "-k", p.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200")
	if err != nil {
		return err
	}
	if err := p.reaper.Start(cmd); err != nil {
		return err
	}
	p.server = cmd
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		db, err := pgx.Connect(ctx, p.dsn())
		if err == nil {
			return db.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("fleet: the database does not answer: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// stop ends the server as a crash of the machine would.
func (p *postgres) stop() {
	_ = p.server.Process.Signal(syscall.SIGQUIT)
	_ = p.server.Wait()
	p.server = nil
}

func (p *postgres) close() error {
	if p.server != nil {
		p.stop()
	}
	return errors.Join(os.RemoveAll(p.dir), p.reaper.Close())
}
