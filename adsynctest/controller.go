package adsynctest

import (
	"crypto/x509"
	"testing"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// Controller is an Active Directory domain controller in the process of a test. It
// speaks LDAP over TLS on a port of 127.0.0.1, and answers a client that reads people as
// a real one does: pages, tombstones, rights of the service account, and refusals with
// their codes.
//
// It holds a domain with one empty container, [Controller.BaseDN], which is where people
// are added, and a service account that may read everything, deleted accounts included.
// Its methods do what an administrator would; one that cannot, because there is no such
// account or the name is taken, ends the test with Fatalf, so call them from the test's
// own goroutine. A Controller may be changed while it is read.
type Controller struct {
	tb      testing.TB
	dc      *fakead.Server
	base    string
	service fakead.GUID
}

// The service account, in the container that BaseDN is not.
const (
	serviceUser     = "svc-sync@ad.example.test"
	servicePassword = "Long-enough-for-a-test-1"
)

// NewController starts a domain controller that is closed when the test ends.
//
//	dc := adsynctest.NewController(t)
//	dir, err := activedirectory.New(activedirectory.Config{
//		URLs:   []string{dc.URL()},
//		BaseDN: dc.BaseDN(),
//		Bind:   activedirectory.SimpleBind(dc.User(), dc.Password()),
//		TLS:    &tls.Config{RootCAs: dc.CA()},
//	})
func NewController(tb testing.TB) *Controller {
	tb.Helper()
	dc, err := fakead.Start(fakead.Config{RecycleBin: true})
	if err != nil {
		tb.Fatalf("adsync: a controller could not be started: %v", err)
	}
	c := &Controller{tb: tb, dc: dc}
	tb.Cleanup(c.close)
	if c.base, err = dc.AddOU("People", ""); err == nil {
		c.service, err = dc.AddUser(fakead.User{Username: "svc-sync", UPN: serviceUser, Password: servicePassword})
	}
	if err == nil {
		err = dc.GrantTombstones(serviceUser)
	}
	c.must("NewController", err)
	return c
}

// AddController starts another controller of the same domain with all that this one
// holds, which is closed when the test ends too. What is changed on one of them later is
// not known to the other before [Controller.Replicate]: so replication lags for as long
// as the test wants.
func (c *Controller) AddController() *Controller {
	c.tb.Helper()
	dc, err := c.dc.AddController()
	c.must("AddController", err)
	other := &Controller{tb: c.tb, dc: dc, base: c.base, service: c.service}
	c.tb.Cleanup(other.close)
	return other
}

// Replicate pulls what is newer on another controller of the domain.
func (c *Controller) Replicate(from *Controller) {
	c.tb.Helper()
	c.must("Replicate", c.dc.Pull(from.dc))
}

// URL is the controller's address, ldaps://127.0.0.1 with a port.
func (c *Controller) URL() string { return c.dc.URL() }

// CA trusts the controller's certificate, which names 127.0.0.1, and those of the other
// controllers of its domain.
func (c *Controller) CA() *x509.CertPool { return c.dc.RootCAs().Clone() }

// BaseDN is the container of the people, OU=People of the domain.
func (c *Controller) BaseDN() string { return c.base }

// OutsideDN is another container of the domain: whoever is moved there is out of scope.
func (c *Controller) OutsideDN() string { return "CN=Users," + c.dc.BaseDN() }

// User is the service account's name, as SimpleBind takes it.
func (c *Controller) User() string { return serviceUser }

// Password is the service account's.
func (c *Controller) Password() string { return servicePassword }

// AddPerson adds an enabled account below BaseDN and returns its objectGUID. Of the
// details only the username is required.
func (c *Controller) AddPerson(p adsync.Profile) adsync.ObjectID {
	c.tb.Helper()
	id, err := c.dc.AddUser(fakead.User{
		Parent: c.base, Username: p.Username, FirstName: p.FirstName, LastName: p.LastName, Email: p.Email, Phone: p.Phone,
	})
	c.must("AddPerson", err)
	return adsync.ObjectID(id)
}

// AddGroup adds a security group below BaseDN, with people and other groups as its
// members, and returns its objectGUID.
func (c *Controller) AddGroup(name string, members ...adsync.ObjectID) adsync.ObjectID {
	c.tb.Helper()
	ids := make([]fakead.GUID, len(members))
	for i, id := range members {
		ids[i] = fakead.GUID(id)
	}
	id, err := c.dc.CreateGroup(fakead.Group{Parent: c.base, Name: name, Members: ids})
	c.must("AddGroup", err)
	return adsync.ObjectID(id)
}

// Join makes a person or a group a member of a group.
func (c *Controller) Join(group, member adsync.ObjectID) {
	c.tb.Helper()
	c.must("Join", c.dc.Join(fakead.GUID(group), fakead.GUID(member)))
}

// Leave ends a membership.
func (c *Controller) Leave(group, member adsync.ObjectID) {
	c.tb.Helper()
	c.must("Leave", c.dc.Leave(fakead.GUID(group), fakead.GUID(member)))
}

// Change gives a person these details: an empty one is removed. The username must not be
// empty.
func (c *Controller) Change(id adsync.ObjectID, p adsync.Profile) {
	c.tb.Helper()
	if p.Username == "" {
		c.tb.Fatalf("adsync: Controller.Change: every account has a username; give the one that it has")
	}
	for _, detail := range []struct{ attribute, value string }{
		{"sAMAccountName", p.Username}, {"givenName", p.FirstName}, {"sn", p.LastName}, {"mail", p.Email}, {"telephoneNumber", p.Phone},
	} {
		if detail.value == "" {
			c.SetAttribute(id, detail.attribute)
		} else {
			c.SetAttribute(id, detail.attribute, detail.value)
		}
	}
}

// SetAttribute gives any attribute of the schema these values; none remove it.
func (c *Controller) SetAttribute(id adsync.ObjectID, attribute string, values ...string) {
	c.tb.Helper()
	c.must("SetAttribute", c.dc.SetAttribute(fakead.GUID(id), attribute, values...))
}

// Rename gives a person or a group another name within its container. That changes its
// DN and none of the five details.
func (c *Controller) Rename(id adsync.ObjectID, name string) {
	c.tb.Helper()
	c.must("Rename", c.dc.Rename(fakead.GUID(id), name))
}

// Move puts a person or a group into another container, such as OutsideDN.
func (c *Controller) Move(id adsync.ObjectID, container string) {
	c.tb.Helper()
	c.must("Move", c.dc.Move(fakead.GUID(id), container))
}

// Disable disables an account.
func (c *Controller) Disable(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Disable", c.dc.Disable(fakead.GUID(id)))
}

// Enable takes Disable back.
func (c *Controller) Enable(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Enable", c.dc.Enable(fakead.GUID(id)))
}

// Hide denies the service account the right to read a person or a group. Nothing then
// proves what became of it.
func (c *Controller) Hide(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Hide", c.dc.Hide(serviceUser, c.DN(id)))
}

// Unhide takes Hide back.
func (c *Controller) Unhide(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Unhide", c.dc.ResetRights(serviceUser, c.DN(id)))
}

// Delete deletes a person or a group, of which a tombstone is left.
func (c *Controller) Delete(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Delete", c.dc.Delete(fakead.GUID(id)))
}

// Restore brings a deleted person or group back, with all attributes, as the recycle bin
// does.
func (c *Controller) Restore(id adsync.ObjectID) {
	c.tb.Helper()
	c.must("Restore", c.dc.Restore(fakead.GUID(id)))
}

// DN is the distinguished name that a person or a group has now.
func (c *Controller) DN(id adsync.ObjectID) string {
	c.tb.Helper()
	dn := c.dc.DN(fakead.GUID(id))
	if dn == "" {
		c.tb.Fatalf("adsync: Controller.DN: there is no such object")
	}
	return dn
}

// Order makes the controller misbehave from now on, until end is called or the test ends.
func (c *Controller) Order(f Fault) (end func()) {
	c.tb.Helper()
	order, known := c.faults()[f]
	if !known {
		c.tb.Fatalf("adsync: Controller.Order: there is no fault %q", f)
	}
	return order()
}

// faults are how each of them is ordered.
func (c *Controller) faults() map[Fault]func() (end func()) {
	ordered := func(faults ...fakead.Fault) func() func() {
		return func() func() {
			var ends []func()
			for _, f := range faults {
				ends = append(ends, c.dc.Order(f))
			}
			return func() {
				for _, end := range ends {
					end()
				}
			}
		}
	}
	bindRefused := func(code string) func() func() {
		return func() func() {
			c.must("Order", c.dc.RefuseBind(c.service, code))
			return func() { c.must("Order", c.dc.RefuseBind(c.service, "")) }
		}
	}
	return map[Fault]func() func(){
		FaultDown:            func() func() { c.dc.Stop(); return c.dc.Restart },
		FaultSilent:          ordered(fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpConnect}, fakead.Fault{Kind: fakead.FaultSilence}),
		FaultBusy:            ordered(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Code: 51}),
		FaultCutListing:      ordered(fakead.Fault{Kind: fakead.FaultCutEntries, Op: fakead.OpSearch, Match: c.base, After: 1}),
		FaultEmptyAnswers:    ordered(fakead.Fault{Kind: fakead.FaultHide, Op: fakead.OpSearch, Match: c.dc.BaseDN()}),
		FaultNoDetails:       ordered(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"givenName", "sn", "mail", "telephoneNumber"}}),
		FaultNoFlags:         ordered(fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"userAccountControl"}}),
		FaultMalformed:       ordered(fakead.Fault{Kind: fakead.FaultMalformed, Op: fakead.OpSearch}),
		FaultPasswordRefused: bindRefused(fakead.DataBadPassword),
		FaultPasswordExpired: bindRefused(fakead.DataPasswordExpired),
		FaultLockedOut:       bindRefused(fakead.DataLocked),
		FaultNoTombstones: func() func() {
			c.must("Order", c.dc.RevokeTombstones(serviceUser))
			return func() { c.must("Order", c.dc.GrantTombstones(serviceUser)) }
		},
	}
}

func (c *Controller) must(method string, err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatalf("adsync: Controller.%s: %v", method, err)
	}
}

func (c *Controller) close() {
	if err := c.dc.Close(); err != nil {
		c.tb.Errorf("adsync: the controller could not be closed: %v", err)
	}
}
