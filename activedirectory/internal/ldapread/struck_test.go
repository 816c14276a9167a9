package ldapread

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

// strikeEach makes the call anew for each search that it takes, those of connecting too, and
// lets that search fail. It returns how many there are.
func (d *domain) strikeEach(cfg *Config, fault fakead.Fault, call func(*Controller) error) (searches int) {
	d.t.Helper()
	for strike := 1; ; strike++ {
		seen := 0
		d.Before(func(r fakead.Request) {
			if r.Op != fakead.OpSearch {
				return
			}
			if seen++; seen == strike {
				fault.Op, fault.Times = fakead.OpSearch, 1
				d.Order(fault)
			}
		})
		c := d.open(cfg)
		err := call(c)
		d.Before(nil)
		d.ClearFaults()
		failed, known := c.Failed()
		c.Close()
		require.True(d.t, known)
		if seen < strike {
			require.NoError(d.t, err)
			require.False(d.t, failed)
			return strike - 1
		}
		require.Error(d.t, err, "%s at search %d", fault.Kind, strike)
		require.True(d.t, failed)
	}
}

// TestErrors_OfAnySearchEndTheCall lets each search of each call fail, with a connection that
// goes on and with one that ends: what was not read whole is an error, whatever the call.
func TestErrors_OfAnySearchEndTheCall(t *testing.T) {
	d := newDomain(t, fakead.Config{MaxValRange: 2})
	must(t, d.GrantTombstones(service))
	people := d.add(5)
	outside, err := d.AddUser(fakead.User{Username: "outside"})
	require.NoError(t, err)
	inner := d.group("inner", people[:4]...)
	outer := d.group("outer", inner, outside, people[4])
	must(t, d.SetPrimaryGroup(people[4], d.DN(outer)))
	empty := d.group("empty")
	must(t, d.Delete(people[0]))
	groups := by(map[string]fakead.GUID{"outer": outer, "empty": empty})
	var all []adattr.GUID
	for n, id := range append(people, outside, fakead.GUID{1}) {
		all = append(all, adattr.GUID(id))
		if n > 0 && n < 5 {
			must(t, d.SetAttribute(id, "displayName", guid(byte(n)).String()))
			must(t, d.SetAttribute(id, "mS-DS-ConsistencyGuid", wireText(guid(byte(n)))))
		}
	}
	named := []adattr.GUID{guid(1), guid(4)}
	note := func(*Account) bool { return true }

	paged := func(cfg *Config) { cfg.PageSize = 2 }
	plainly := func(*Config) {}
	withRoles := func(cfg *Config) { cfg.Roles = groups }
	consistent := func(cfg *Config) {
		cfg.Identity, cfg.Roles = adattr.IdentityOf("mS-DS-ConsistencyGuid"), groups
		cfg.Filter = "(&(sAMAccountType=805306368)(mS-DS-ConsistencyGuid=*))"
	}
	uuids := func(cfg *Config) {
		cfg.Identity, cfg.TrustMembers, cfg.Filter = adattr.IdentityOf("displayName"), true, "(&(objectClass=person)(displayName=*))"
		cfg.Roles = []Role{{Name: "r", Group: Group{Name: "outer"}}}
	}
	prove := func(ids []adattr.GUID) func(c *Controller) error {
		return func(c *Controller) error {
			roles, err := c.Roles(t.Context())
			if err != nil {
				return err
			}
			_, err = c.Prove(t.Context(), roles.Question(), ids)
			return err
		}
	}
	find := func(ids []adattr.GUID) func(c *Controller) error {
		return func(c *Controller) error { return c.Find(t.Context(), ids, note) }
	}
	head := func(c *Controller) error {
		_, err := c.Head(t.Context(), []adattr.GUID{all[1]})
		return err
	}
	now := time.Now()
	for name, tt := range map[string]struct {
		change func(*Config)
		call   func(*Controller) error
	}{
		"a listing": {paged, func(c *Controller) error { return c.Entries(t.Context(), note) }},
		"a look-up": {plainly, find(all)}, "a look-up in pages": {paged, find(all)},
		"a look-up by another identity": {uuids, find(named)},
		"a look-up by membership":       {func(cfg *Config) { cfg.Filter = "(memberOf=" + d.DN(inner) + ")" }, find(all)},
		"tombstones": {plainly, func(c *Controller) error {
			_, err := c.DeletedAt(t.Context(), all)
			return err
		}},
		"roles": {withRoles, prove(all[1:6])}, "roles by another identity": {consistent, prove(named)},
		"roles of trusted members": {uuids, prove(named)},
		"a head":                   {plainly, head}, "a second head": {plainly, func(c *Controller) error {
			if err := head(c); err != nil {
				return err
			}
			return head(c)
		}},
		"a head of another filter": {func(cfg *Config) { cfg.Filter = "(logonCount=1)" }, head},
		"changes": {paged, func(c *Controller) error {
			_, err := c.Changed(t.Context(), 1, nil)
			return err
		}},
		"who expires": {plainly, func(c *Controller) error {
			_, err := c.Expiring(t.Context(), now, now.Add(time.Hour))
			return err
		}},
		"the latest": {plainly, func(c *Controller) error {
			_, err := c.Latest(t.Context(), d.USN())
			return err
		}},
		"the clock": {plainly, func(c *Controller) error {
			_, err := c.Clock(t.Context())
			return err
		}},
		"the schema": {plainly, func(c *Controller) error {
			_, err := c.Schema(t.Context(), 1)
			return err
		}},
		"the time": {plainly, func(c *Controller) error {
			_, _, err := c.Time(t.Context())
			return err
		}},
		"a check": {plainly, func(c *Controller) error {
			_, err := c.Check(t.Context())
			return err
		}},
		"a search": {plainly, func(c *Controller) error {
			_, err := c.Search(t.Context(), "u", 10)
			return err
		}},
		"unusual containers": {plainly, func(c *Controller) error {
			h, err := c.Head(t.Context(), nil)
			if err != nil {
				return err
			}
			h.known = nil
			if err := c.Entries(t.Context(), note); err != nil {
				return err
			}
			_, _, err = c.Unusual(t.Context(), h)
			return err
		}},
		"a foreign attribute": {func(cfg *Config) { cfg.Attributes[4] = "homePhone" }, func(c *Controller) error { return c.Entries(t.Context(), note) }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, fault := range []fakead.Fault{{Kind: fakead.FaultCut}, {Kind: fakead.FaultResult, Code: 80}} {
				cfg := d.config()
				tt.change(cfg)
				within := *d
				within.t = t
				assert.Greater(t, within.strikeEach(cfg, fault, tt.call), 1, "more than connecting takes")
			}
		})
	}
}
