package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-adsync/adsync/internal/fakead"
)

// world is what the demonstration and the tests have in place of companies: tenants, whose
// directories answer over LDAP and TLS in this process.
type world struct {
	controllers []*fakead.Server
	tenants     []*tenant

	mu      sync.Mutex
	secrets map[string]string
}

// tenant is a company: a branch of a controller, which others may share.
type tenant struct {
	name       string
	controller *fakead.Server
	branch     string // its DN
	account    fakead.GUID
	user       string
	people     []fakead.GUID // who is alive
	hired      int
}

const source = "ad"

// newWorld makes the tenants, so many to a controller.
func newWorld(tenants, people, toAController int) (w *world, err error) {
	w = &world{secrets: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for i := range tenants {
		if i%toAController == 0 {
			domain := fmt.Sprintf("forest%02d.example", i/toAController+1)
			controller, err := fakead.Start(fakead.Config{Domain: domain, NetBIOS: fmt.Sprintf("F%02d", i/toAController+1)})
			if err != nil {
				return w, err
			}
			w.controllers = append(w.controllers, controller)
		}
		t, err := w.found(fmt.Sprintf("tenant%03d", i+1), w.controllers[len(w.controllers)-1])
		if err != nil {
			return w, err
		}
		for range people {
			if err := t.hire(); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

// found makes a tenant without people, and its service account, which may read tombstones.
func (w *world) found(name string, controller *fakead.Server) (*tenant, error) {
	account := "svc-" + name
	t := &tenant{name: name, controller: controller, user: fmt.Sprintf(`F%02d\%s`, len(w.controllers), account)}
	var err error
	if t.branch, err = controller.AddOU(name, ""); err != nil {
		return nil, err
	}
	password := rand.Text()
	if t.account, err = controller.AddUser(fakead.User{Username: account, Password: password}); err != nil {
		return nil, err
	}
	w.setSecret(name, password)
	w.tenants = append(w.tenants, t)
	return t, controller.GrantTombstones(account)
}

func (w *world) close() error {
	var errs []error
	for _, c := range w.controllers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// secret is the password of a service account, as a secret store would tell it.
func (w *world) secret(name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if password, ok := w.secrets[name]; ok {
		return password, nil
	}
	return "", errors.New("fleet: no such secret")
}

func (w *world) setSecret(name, password string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[name] = password
}

func (t *tenant) hire() error {
	t.hired++
	login := fmt.Sprintf("%s.%04d", t.name, t.hired)
	id, err := t.controller.AddUser(fakead.User{
		Parent: t.branch, Username: login, FirstName: "Person", LastName: fmt.Sprintf("No. %d", t.hired),
		Email: login + "@" + t.name + ".example", Phone: fmt.Sprintf("+45 %04d", t.hired),
	})
	if err == nil {
		t.people = append(t.people, id)
	}
	return err
}

// leave deletes the account of whoever came first.
func (t *tenant) leave() error {
	id := t.people[0]
	t.people = t.people[1:]
	return t.controller.Delete(id)
}

// call gives somebody another number.
func (t *tenant) call(who int, phone string) error {
	return t.controller.SetAttribute(t.people[who], "telephoneNumber", phone)
}

// register makes a sync for each tenant, first due at the given time.
func (w *world) register(ctx context.Context, f *fleet, every time.Duration, from time.Time) error {
	for i, t := range w.tenants {
		// Spread over the interval, so that not all of them come at once.
		due := from.Add(every * time.Duration(i) / time.Duration(len(w.tenants)))
		if _, err := f.pool.Exec(ctx, `
			INSERT INTO fleet_syncs (tenant, source, url, ca, base_dn, bind_user, secret, every, due_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.name, source, t.controller.URL(), string(t.controller.CACert()), t.branch,
			t.user, t.name, every, due); err != nil {
			return err
		}
		if _, err := f.pool.Exec(ctx, `INSERT INTO users (tenant, login, last_name) VALUES ($1, 'owner', 'a local user, who is nobody''s business')`, t.name); err != nil {
			return err
		}
	}
	return nil
}
