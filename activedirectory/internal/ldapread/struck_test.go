package ldapread

import (
	"slices"
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
		server, err := ParseURL(d.PlainURL(), false) // since it makes many connections
		require.NoError(d.t, err)
		fresh := *cfg
		fresh.Names = new(Names) // or the schema would be read only until that went well
		c := NewController(&fresh, server)
		err = call(c)
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

// failing is a domain for calls of which each search fails once.
type failing struct {
	*domain
	alive   []adattr.GUID // accounts
	all     []adattr.GUID // and one that is deleted, and one that never was
	named   []adattr.GUID // by other identities
	inner   string        // a group's DN
	outer   fakead.GUID
	configs map[string]func(*Config)
}

func newFailing(t *testing.T) *failing {
	d := &failing{domain: newDomain(t, fakead.Config{MaxValRange: 4, AllowUnsafe: true}), named: []adattr.GUID{guid(1), guid(6)}}
	must(t, d.GrantTombstones(service))
	people := d.add(7)
	outside, err := d.AddUser(fakead.User{Username: "outside"})
	require.NoError(t, err)
	inner := d.group("inner", people[:6]...)
	d.outer, d.inner = d.group("outer", inner, outside, people[6]), d.DN(inner)
	must(t, d.SetPrimaryGroup(people[6], d.DN(d.outer)))
	for n, id := range people {
		must(t, d.SetAttribute(id, "displayName", guid(byte(n)).String()))
		must(t, d.SetAttribute(id, "mS-DS-ConsistencyGuid", wireText(guid(byte(n)))))
	}
	must(t, d.Delete(people[0]))
	for _, id := range append(people[1:], outside) {
		d.alive = append(d.alive, adattr.GUID(id))
	}
	d.all = append(slices.Clone(d.alive), adattr.GUID(people[0]), adattr.GUID{1})
	roles := by(map[string]fakead.GUID{"outer": d.outer, "empty": d.group("empty")})
	d.configs = map[string]func(*Config){
		"":                    func(*Config) {},
		"paged":               func(cfg *Config) { cfg.PageSize = 2 },
		"roles":               func(cfg *Config) { cfg.Roles = roles },
		"membership":          func(cfg *Config) { cfg.Filter = "(memberOf=" + d.inner + ")" },
		"a rare filter":       func(cfg *Config) { cfg.Filter = "(logonCount=1)" },
		"an attribute by OID": func(cfg *Config) { cfg.Attributes[4] = "2.5.4.20" },
		"a consistent identity": func(cfg *Config) {
			cfg.Identity, cfg.Roles = adattr.IdentityOf("mS-DS-ConsistencyGuid"), roles
			cfg.Filter = "(&(sAMAccountType=805306368)(mS-DS-ConsistencyGuid=*))"
		},
		"a UUID": func(cfg *Config) {
			cfg.Identity, cfg.TrustMembers, cfg.Filter = adattr.IdentityOf("displayName"), true, "(&(objectClass=person)(displayName=*))"
			cfg.Roles = []Role{{Name: "r", Group: Group{Name: "outer"}}}
		},
	}
	return d
}

// each lets each search of a call fail, with a connection that goes on and with one that
// ends: what was not read whole is an error, whatever the call.
func (d *failing) each(config string, call func(c *Controller) error) {
	d.t.Helper()
	for _, fault := range []fakead.Fault{{Kind: fakead.FaultCut}, {Kind: fakead.FaultResult, Code: 80}} {
		cfg := d.config()
		d.configs[config](cfg)
		assert.Greater(d.t, d.strikeEach(cfg, fault, call), 1, "more than connecting takes")
	}
}

func (d *failing) note(*Account) bool { return true }

func TestErrors_OfEachSearchEndAListing(t *testing.T) {
	d := newFailing(t)
	for _, config := range []string{"paged", "an attribute by OID"} {
		d.each(config, func(c *Controller) error { return c.Entries(t.Context(), d.note) })
	}
	d.each("", func(c *Controller) error {
		_, err := c.Search(t.Context(), "u", 10)
		return err
	})
	d.each("", func(c *Controller) error {
		_, err := c.Check(t.Context())
		return err
	})
	d.each("", func(c *Controller) error {
		_, _, err := c.Time(t.Context())
		return err
	})
}

func TestErrors_OfEachSearchEndALookUp(t *testing.T) {
	d := newFailing(t)
	for _, config := range []string{"", "paged", "membership"} {
		d.each(config, func(c *Controller) error { return c.Find(t.Context(), d.all, d.note) })
	}
	d.each("a UUID", func(c *Controller) error { return c.Find(t.Context(), d.named, d.note) })
	d.each("", func(c *Controller) error {
		_, err := c.DeletedAt(t.Context(), d.all)
		return err
	})
}

func TestErrors_OfEachSearchEndAProof(t *testing.T) {
	d := newFailing(t)
	for config, ids := range map[string][]adattr.GUID{"roles": d.alive, "a consistent identity": d.named, "a UUID": d.named} {
		d.each(config, func(c *Controller) error {
			roles, err := c.Roles(t.Context())
			if err != nil {
				return err
			}
			require.Empty(t, roles.Unknown())
			_, err = c.Prove(t.Context(), roles.Question(), ids)
			return err
		})
	}
}

func TestErrors_OfEachSearchEndAReading(t *testing.T) {
	d := newFailing(t)
	head := func(c *Controller) error {
		_, err := c.Head(t.Context(), d.alive[:1])
		return err
	}
	d.each("a rare filter", head)
	d.each("", func(c *Controller) error {
		if err := head(c); err != nil {
			return err
		}
		return head(c)
	})
	d.each("", func(c *Controller) error {
		h, err := c.Head(t.Context(), nil)
		if err != nil {
			return err
		}
		h.known = nil
		if err := c.Entries(t.Context(), d.note); err != nil {
			return err
		}
		_, _, err = c.Unusual(t.Context(), h)
		return err
	})
	d.each("", func(c *Controller) error {
		_, err := c.Clock(t.Context())
		return err
	})
}

func TestErrors_OfEachSearchEndAQuestionAboutChanges(t *testing.T) {
	d := newFailing(t)
	d.each("paged", func(c *Controller) error {
		_, err := c.Changed(t.Context(), d.USN()-5, nil)
		return err
	})
	d.each("", func(c *Controller) error {
		_, err := c.Expiring(t.Context(), time.Now(), time.Now())
		return err
	})
	d.each("", func(c *Controller) error {
		_, err := c.Latest(t.Context(), d.USN())
		return err
	})
	d.each("", func(c *Controller) error {
		_, err := c.Schema(t.Context(), 1)
		return err
	})
}
