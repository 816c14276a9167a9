// Package corp is a company whose directory answers over LDAP and TLS in this process: for
// a program that is to be shown, or tested, without a domain of one's own. A host needs
// nothing of it.
package corp

import (
	"crypto/rand"
	_ "embed"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
)

// The names of the company.
const (
	Domain         = "corp.example"
	ServiceAccount = `CORP\svc-webhost`
)

// Company is the directory, and who is in it.
type Company struct {
	*fakead.Server
	Config   activedirectory.Config // by which an account reads it that has the rights it needs
	Password string                 // of that account
	GUIDs    map[string]fakead.GUID // by username
	Groups   map[string]fakead.GUID // by the role that they give
	Imported []adsync.ObjectID      // who is to be imported from the beginning
	ago      atomic.Int64
}

// Found starts the directory, with the groups and without people.
func Found() (*Company, error) {
	c := &Company{Password: rand.Text(), GUIDs: map[string]fakead.GUID{}, Groups: map[string]fakead.GUID{}}
	var err error
	c.Server, err = fakead.Start(fakead.Config{
		Domain: Domain, NetBIOS: "CORP", Now: func() time.Time { return time.Now().AddDate(0, 0, -int(c.ago.Load())) },
	})
	if err != nil {
		return nil, err
	}
	_, err = c.AddUser(fakead.User{Username: "svc-webhost", Password: c.Password})
	if err == nil {
		err = c.GrantTombstones(ServiceAccount)
	}
	c.Config = activedirectory.Config{
		URLs: []string{c.URL()}, TLS: c.ClientTLS(), Bind: activedirectory.SimpleBind(ServiceAccount, c.Password), BaseDN: c.BaseDN(),
	}
	for _, role := range []string{"Author", "Reviewer"} {
		if err == nil {
			c.Groups[role], err = c.CreateGroup(fakead.Group{Name: role + "s"})
		}
		c.Config.Roles = append(c.Config.Roles, activedirectory.Role{Name: role, Group: adsync.ObjectID(c.Groups[role]).String()})
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// SetAgo has the directory believe to be so many days ago.
func (c *Company) SetAgo(days int) { c.ago.Store(int64(days)) }

// Hire adds an account to an office.
func (c *Company) Hire(login, first, last, phone, office string) (err error) {
	_, _ = c.AddOU(office, "") // unless it is there
	c.GUIDs[login], err = c.AddUser(fakead.User{
		Username: login, Name: first + " " + last, FirstName: first, LastName: last, Phone: phone, Email: login + "@" + Domain,
		Parent: "OU=" + office + "," + c.BaseDN(),
	})
	return err
}

// What happens, a line for each: to whom, what, and more about it.
var (
	//go:embed begin.tsv
	begin string
	//go:embed year.tsv
	year string
)

// Begin hires people, and says whom to import.
func (c *Company) Begin() error { return c.happens(begin, nil) }

// Year changes the directory as a year does. For each who leaves it first calls left, with
// how many days ago that is.
func (c *Company) Year(left func(username string, days int) error) error {
	return c.happens(year, left)
}

func (c *Company) happens(lines string, left func(string, int) error) (err error) {
	for line := range strings.Lines(lines) {
		p := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		who, what, more := c.GUIDs[p[0]], p[1], p[2:]
		switch what {
		case "hired": // first name, last name, phone, office
			err = c.Hire(p[0], more[0], more[1], more[2], more[3])
		case "imported":
			c.Imported = append(c.Imported, adsync.ObjectID(who))
		case "manager":
			err = c.SetAttribute(who, what, c.DN(c.GUIDs[more[0]]))
		case "joined": // the group of a role
			err = c.Join(c.Groups[more[0]], who)
		case "left":
			err = c.Leave(c.Groups[more[0]], who)
		case "disabled":
			err = c.Disable(who)
		case "deleted": // so many days ago
			days, _ := strconv.Atoi(more[0])
			if err = left(p[0], days); err == nil {
				c.SetAgo(days)
				err = c.Delete(who)
				c.SetAgo(0)
			}
		default: // an attribute has other values
			err = c.SetAttribute(who, what, more...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
