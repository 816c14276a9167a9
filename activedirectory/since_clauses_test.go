package activedirectory

import (
	"context"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/fakead"
)

// Each case is a history of which a plan by mark would be wrong, were it not for one
// clause: either the plan is a full one and says why, or it finds what has changed.
func TestSince_SaysWhyItReadsEverything(t *testing.T) {
	unit := func(b *bed) string {
		dn, err := b.dc.AddOU("Unit", b.people)
		require.NoError(b.t, err)
		return dn
	}
	var dn string
	for name, tt := range map[string]struct {
		set    func(b *bed)
		before func(b *bed, ids []fakead.GUID) // the mark
		after  func(b *bed, ids []fakead.GUID)
		full   string
	}{
		"absence counts": {
			set:  func(b *bed) { b.opts.Rules.OnUnproven = adsync.Deactivate },
			full: "Rules.OnUnproven is not Keep, and an account that goes out of sight leaves no trace",
		},
		"a unit is hidden": {
			before: func(b *bed, ids []fakead.GUID) { dn = unit(b); require.NoError(b.t, b.dc.Move(ids[0], dn)) },
			after:  func(b *bed, _ []fakead.GUID) { require.NoError(b.t, b.dc.Hide(since, dn)) },
			full:   "a container was changed, moved, shown or hidden",
		},
		"a unit is moved out of the base": {
			before: func(b *bed, ids []fakead.GUID) { dn = unit(b); require.NoError(b.t, b.dc.Move(ids[0], dn)) },
			after: func(b *bed, _ []fakead.GUID) {
				require.NoError(b.t, b.dc.Move(b.dc.ID(dn), "DC=ad,DC=example,DC=test"))
			},
			full: "a container was changed, moved, shown or hidden",
		},
		"the right to a detail is inherited": {
			before: func(b *bed, ids []fakead.GUID) { dn = unit(b) },
			after:  func(b *bed, _ []fakead.GUID) { require.NoError(b.t, b.dc.Deny(since, dn, "userAccountControl")) },
			full:   "a container was changed, moved, shown or hidden",
		},
		"a printer has people below it": {
			before: func(b *bed, ids []fakead.GUID) {
				_, err := b.dc.AddUser(fakead.User{Parent: b.people, Name: "box", Username: "box$", Class: "computer"})
				require.NoError(b.t, err)
				require.NoError(b.t, b.dc.Move(ids[0], "CN=box,"+b.people))
			},
			full: "there are people below a container of an unusual class, which was not counted before",
		},
		"the service account leaves a group": {
			before: func(b *bed, ids []fakead.GUID) {
				var err error
				dn, err = b.dc.AddGroup("Readers", b.svc)
				require.NoError(b.t, err)
			},
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.SetMembers(dn)) },
			full:  "the service account's groups have changed",
		},
		"the service account's groups cannot be read": {
			before: func(b *bed, ids []fakead.GUID) {
				b.dc.Order(fakead.Fault{Kind: fakead.FaultWithhold, Op: fakead.OpSearch, Attributes: []string{"tokenGroups"}})
			},
			full: "the rootDSE shows no tokenGroups, so it would not be noticed if the service account lost a right",
		},
		"an object of an unusual class is made": {
			after: func(b *bed, ids []fakead.GUID) {
				_, err := b.dc.AddUser(fakead.User{Parent: b.people, Name: "odd", Class: "server"})
				require.NoError(b.t, err)
			},
			full: "an object was changed that may have people below it",
		},
		"tombstones cannot be read": {
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.RevokeTombstones(since)) },
			full:  "the service account cannot read CN=Deleted Objects, so deletions would not be noticed",
		},
		"tombstones could be purged": {
			after: func(b *bed, ids []fakead.GUID) { b.clock.Add(91 * 86400) },
			full:  "the mark is older than half the tombstone lifetime",
		},
		"the controller's clock was put back": {
			after: func(b *bed, ids []fakead.GUID) { b.clock.Add(-86400) },
			full:  "the controller's clock was put back",
		},
		"an attribute is made confidential": {
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.SetConfidential("mail", true)) },
			full:  "the schema has changed",
		},
		"an attribute is made confidential once more": {
			before: func(b *bed, ids []fakead.GUID) {
				require.NoError(b.t, b.dc.SetConfidential("mail", true))
				require.NoError(b.t, b.dc.SetConfidential("mail", false))
			},
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.SetConfidential("mail", true)) },
			full:  "the schema has changed",
		},
		"membership decides": {
			set: func(b *bed) {
				b.cfg.Filter = "(&(sAMAccountType=805306368)(!(memberOf=CN=x,DC=ad,DC=example,DC=test)))"
			},
			full: "Filter or Attributes uses memberof, which can change without a trace on the account",
		},
		"a DN is mapped": {
			set: func(b *bed) {
				b.cfg.Attributes = map[adsync.Field]string{adsync.FieldPhone: "manager"}
			},
			full: "Filter or Attributes uses manager, which can change without a trace on the account",
		},
		"the number of a container cannot be read": {
			before: func(b *bed, ids []fakead.GUID) {
				dn = unit(b)
				require.NoError(b.t, b.dc.Deny(since, dn, "uSNChanged"))
			},
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.Hide(since, dn)) },
			full:  "a container shows no uSNChanged, so it would not be noticed if it was hidden or moved",
		},
		"the number of an account cannot be read": {
			before: func(b *bed, ids []fakead.GUID) {
				require.NoError(b.t, b.dc.Deny(since, b.dc.DN(ids[0]), "uSNChanged"))
			},
			after: func(b *bed, ids []fakead.GUID) { require.NoError(b.t, b.dc.SetAttribute(ids[0], "mail", "new@x.test")) },
			full:  "an account shows no uSNChanged, so its changes would not be noticed",
		},
		"a detail is mapped to what was another's": {
			set: func(b *bed) {
				b.cfg.Attributes = map[adsync.Field]string{"a": "department", "b": "title"}
				b.opts.Rules.Fields = []adsync.Field{adsync.FieldUsername, "b"}
			},
			before: func(b *bed, ids []fakead.GUID) {
				b.store.Hold("b")
				require.NoError(b.t, b.dc.SetAttribute(ids[0], "title", "Dr."))
				require.NoError(b.t, b.dc.SetAttribute(ids[0], "department", "Sales"))
			},
			after: func(b *bed, ids []fakead.GUID) {
				b.cfg.Attributes = map[adsync.Field]string{"b": "department", "c": "title"}
			},
			full: "the directory's configuration is another",
		},
		"the filter is another": {
			after: func(b *bed, ids []fakead.GUID) { b.cfg.Filter = "(&(sAMAccountType=805306368)(mail=*))" },
			full:  "the directory's configuration is another",
		},
		"the rules are others": {
			after: func(b *bed, ids []fakead.GUID) { b.opts.Rules.OnDisabled = adsync.Remove },
			full:  "the rules, the fields of the store or the program are not what they were",
		},
		"Map has no version": {
			set: func(b *bed) {
				b.opts.Rules.Map = func(e adsync.Entry) (adsync.Profile, error) { return e.Profile, nil }
			},
			full: "Rules.Map or Rules.Fold may have changed; give them a Rules.Version",
		},
		"Map has another version": {
			set: func(b *bed) {
				b.opts.Rules.Version, b.opts.Rules.Map = "1", func(e adsync.Entry) (adsync.Profile, error) { return e.Profile, nil }
			},
			after: func(b *bed, ids []fakead.GUID) { b.opts.Rules.Version = "2" },
			full:  "the rules, the fields of the store or the program are not what they were",
		},
		"a day has passed": {
			after: func(b *bed, ids []fakead.GUID) { b.mark.Full = b.mark.Full.Add(-25 * time.Hour) },
			full:  "the last full reading is over 24h0m0s ago",
		},
		"the host's clock was put back": {
			after: func(b *bed, ids []fakead.GUID) { b.mark.Full = b.mark.Full.Add(time.Hour) },
			full:  "the host's clock was put back",
		},
		"an import, and a row is unlinked": {
			set:   func(b *bed) { b.opts.Rules.Import = true },
			after: func(b *bed, ids []fakead.GUID) { b.edit("u-p1", func(u *adsync.User) { u.Source = "other" }) },
			full:  "users were added, removed or linked by others, and with Rules.Import anybody may be free to import",
		},
		"a backup was restored": {
			before: func(b *bed, ids []fakead.GUID) { b.kept = b.dc.Snapshot() },
			after:  func(b *bed, ids []fakead.GUID) { b.dc.RestoreBackup(b.kept) },
			full:   adsync.NoMarkOfController,
		},
		"rolled back below the mark": {
			before: func(b *bed, ids []fakead.GUID) {
				b.kept = b.dc.Snapshot()
				require.NoError(b.t, b.dc.SetAttribute(ids[0], "mail", "x@x.test"))
			},
			after: func(b *bed, ids []fakead.GUID) { b.dc.RollBack(b.kept) },
			full:  "the controller was put back from an old copy",
		},
		"rolled back, and the numbers were given once more": {
			before: func(b *bed, ids []fakead.GUID) {
				b.kept = b.dc.Snapshot()
				require.NoError(b.t, b.dc.SetAttribute(ids[0], "mail", "x@x.test"))
			},
			after: func(b *bed, ids []fakead.GUID) {
				b.dc.RollBack(b.kept)
				for _, id := range ids[1:] {
					require.NoError(b.t, b.dc.SetAttribute(id, "mail", "y"+id.String()+"@x.test"))
				}
			},
			full: "the controller was put back from an old copy",
		},
		"a mark of another version": {
			after: func(b *bed, ids []fakead.GUID) { b.mark.Version = 99 },
			full:  "the mark was made by another version of this library",
		},
		"a damaged mark": {
			after: func(b *bed, ids []fakead.GUID) { b.mark.Look = []byte{1} },
			full:  "the mark is damaged",
		},
		"a mark of damaged data": {
			after: func(b *bed, ids []fakead.GUID) { b.mark.Directory[0].Data = json.RawMessage(`[]`) },
			full:  "the mark cannot be read",
		},
		"no mark": {
			after: func(b *bed, ids []fakead.GUID) { b.mark = nil },
			full:  "there is no mark of an earlier run",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			if tt.set != nil {
				tt.set(b)
			}
			ids := b.add("p1", "p2", "p3")
			if tt.before != nil {
				tt.before(b, ids)
			}
			b.sync()
			require.NotNil(t, b.mark)
			if tt.after != nil {
				tt.after(b, ids)
			}
			p := b.plan(adsync.Since(b.mark))
			assert.Equal(t, tt.full, p.Reading.Full)
			assert.Equal(t, b.plan().Changes, p.Changes)
		})
	}
}

// second is another controller of the domain, which is read when the first is down.
func (b *bed) second() *fakead.Server {
	second, err := b.dc.AddController()
	require.NoError(b.t, err)
	b.t.Cleanup(func() { assert.NoError(b.t, second.Close()) })
	b.cfg.URLs, b.cfg.Witnesses = append(b.cfg.URLs, second.URL()), -1
	return second
}

// edit changes a row as the host does.
func (b *bed) edit(id string, change func(*adsync.User)) {
	var users []adsync.User
	for u := range b.store.Users(context.Background()) {
		if u.ID == id {
			change(&u)
		}
		users = append(users, u)
	}
	b.store = adsync.NewMemoryStore(users...)
}

// follows syncs, and compares with a full plan before.
func (b *bed) follows() *adsync.Report {
	b.t.Helper()
	full := b.plan()
	report := b.sync()
	require.Empty(b.t, report.Plan.Reading.Full)
	assert.Equal(b.t, full.Changes, report.Plan.Changes)
	return report
}

func TestSince_FindsWhatHasChanged(t *testing.T) {
	b := newBed(t)
	b.opts.Rules.OnDisabled, b.opts.Rules.OnOutOfScope = adsync.Deactivate, adsync.Deactivate
	elsewhere, err := b.dc.AddOU("Elsewhere", "")
	require.NoError(t, err)
	var names []string
	for i := range 200 {
		names = append(names, "p"+strconv.Itoa(i))
	}
	ids := b.add(names...)
	b.sync()

	// In the directory.
	require.NoError(t, b.dc.Disable(ids[0]))
	require.NoError(t, b.dc.Move(ids[1], elsewhere))
	require.NoError(t, b.dc.Delete(ids[2]))
	require.NoError(t, b.dc.SetAttribute(ids[3], "sAMAccountName", "p4x"))
	assert.Equal(t, adsync.Counts{Modified: 1, Deleted: 1, Deactivated: 2, Unchanged: 196}, b.follows().Counts())
	require.NoError(t, b.dc.Restore(ids[2]))
	b.follows()

	// In the table, of people of whom the directory tells nothing new.
	b.edit("u-p0", func(u *adsync.User) { u.Status = adsync.StatusActive })
	b.edit("u-p1", func(u *adsync.User) { u.Protected = true })
	b.edit("u-p5", func(u *adsync.User) { u.Phone = "2" })
	b.edit("u-p6", func(u *adsync.User) { u.Status = adsync.StatusDeactivated })
	assert.Equal(t, adsync.Counts{Modified: 2, Deactivated: 1, Unchanged: 196}, b.follows().Counts())
	assert.Zero(t, b.follows().Counts().Modified)
}

// A name is taken from somebody of whom there is nothing new, and given free again.
func TestSince_SeesDuplicatesComeAndGo(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.link(fakead.GUID{}, "local")
	b.sync()
	require.NoError(t, b.dc.SetAttribute(ids[0], "mail", "local@x.test"))
	assert.Equal(t, 1, b.follows().Counts().Duplicated)
	assert.Equal(t, 1, b.follows().Counts().Duplicated, "as long as it lasts")
	b.edit("u-local", func(u *adsync.User) { u.Email = "else@x.test" })
	assert.Equal(t, 1, b.follows().Counts().Modified)
	b.edit("u-local", func(u *adsync.User) { u.Email = "p2@x.test" })
	assert.Equal(t, 1, b.follows().Counts().Duplicated, "of somebody who did not change")
}

// Somebody of whom there is nothing new, except that the account is out of sight, holds a
// key and asks for none: a full plan does not call that a duplicate.
func TestSince_LooksUpWhomItWouldCallADuplicate(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2")
	b.link(fakead.GUID{}, "local")
	b.sync()
	require.NoError(t, b.dc.Hide(since, b.dc.DN(ids[1])))
	b.edit("u-local", func(u *adsync.User) { u.Email = "p2@x.test" })
	assert.Equal(t, adsync.ReasonUnproven, b.follows().Plan.Changes[0].Reason)
}

// What a run did not write is looked up again.
func TestSince_GoesOnAfterARunThatBroke(t *testing.T) {
	b := newBed(t)
	ids := b.add("p1", "p2", "p3")
	b.sync()
	for i, id := range ids {
		require.NoError(t, b.dc.SetAttribute(id, "mail", "new"+strconv.Itoa(i)+"@x.test"))
	}
	s, err := adsync.New(mustNew(t, b.cfg), &breaking{MemoryStore: b.store, after: 1, how: 1}, &adsync.Options{Limits: adsync.Limits{MaxRekeyed: -1}})
	require.NoError(t, err)
	report, err := s.Sync(t.Context(), adsync.Since(b.mark))
	require.Error(t, err)
	b.mark = report.Mark()
	require.NotNil(t, b.mark)
	rest := b.follows()
	assert.Equal(t, adsync.Counts{Modified: 1, Unchanged: 2}, rest.Counts())
	assert.Equal(t, 2, rest.Plan.Reading.Looked, "one was written, and is in its bucket")

	require.NoError(t, b.dc.Delete(ids[0]))
	require.NoError(t, b.dc.Delete(ids[1]))
	s, err = adsync.New(mustNew(t, b.cfg), b.store, &adsync.Options{Limits: adsync.Limits{MaxRemovals: 1}})
	require.NoError(t, err)
	report, err = s.Sync(t.Context(), adsync.Since(b.mark))
	require.ErrorIs(t, err, adsync.ErrUnsafe)
	b.mark = report.Mark()
	assert.Equal(t, adsync.Counts{Deleted: 2, Unchanged: 1}, b.follows().Counts(), "refused, and not forgotten")
}

func mustNew(t *testing.T, cfg Config) *Directory {
	t.Helper()
	d, err := New(cfg)
	require.NoError(t, err)
	return d
}

// When a controller goes down, everything is read from the other one, and its mark is gone
// on from by it, also when the first is back.
func TestSince_GoesOnWithAnotherController(t *testing.T) {
	b := newBed(t)
	b.add("p1", "p2", "p3")
	b.second()
	b.sync()
	b.dc.Stop()
	assert.Equal(t, adsync.NoMarkOfController, b.sync().Plan.Reading.Full)
	assert.Len(t, b.mark.Directory, 1, "a full plan forgets the others")
	b.dc.Restart()
	stays := b.sync()
	assert.Empty(t, stays.Plan.Reading.Full)
	assert.Equal(t, []string{"dc2.ad.example.test"}, stays.Plan.Reading.Controllers, "the one of the mark is asked first")
}

// A mark goes with no selection.
func TestSince_IsNoSelection(t *testing.T) {
	b := newBed(t)
	b.add("p1")
	b.sync()
	for _, sel := range [][]adsync.Selection{
		{adsync.Since(b.mark), adsync.OnlyUsers("u-p1")}, {adsync.OnlyUsers("u-p1"), adsync.Since(nil)}, {adsync.Since(b.mark), adsync.Since(b.mark)},
	} {
		_, err := b.syncer().Plan(t.Context(), sel...)
		assert.ErrorContains(t, err, "Since")
	}
	report, err := b.syncer().Sync(t.Context(), adsync.OnlyUsers("u-p1"))
	require.NoError(t, err)
	assert.Nil(t, report.Mark(), "it knows of some only")
}

// Whoever adds to what is read says whether it can change unnoticed: see unnoticed of
// package ldapread, and digest.
func TestSince_KnowsAllThatIsRead(t *testing.T) {
	var fields []string
	for f := range reflect.TypeFor[ldapread.Config]().Fields() {
		fields = append(fields, f.Name)
	}
	assert.Equal(t, []string{"BaseDN", "Filter", "TLS", "Auth", "PageSize", "Timeout", "Attributes", "Further", "Identity", "Flag",
		"Names", "Roles", "TrustMembers", "MaxEntries", "MaxChanges", "Plain", "Open"}, fields)
}
