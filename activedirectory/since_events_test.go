package activedirectory

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
)

// happening is a kind of event.
type happening struct {
	name   string
	weight int
	do     func(*world) bool
}

// midway are the kinds that may happen in the middle of a reading: not to the table, and no
// time passes.
var midway = func() (some []int) {
	for i, h := range inTheDomain {
		if h.name != "an account expires" && h.name != "a day passes" && h.name != "tombstones expire" {
			some = append(some, i)
		}
	}
	for i := range len(toGroups) + len(toControllers) {
		some = append(some, len(inTheDomain)+i)
	}
	return some
}()

// weighted has the number of each kind as often as it weighs.
var weighted = func() (all []int) {
	for i, h := range happenings {
		all = append(all, slices.Repeat([]int{i}, h.weight)...)
	}
	return all
}()

var happenings = slices.Concat(inTheDomain, toGroups, toControllers, inTheTable)

// toAPerson is a change of one account by one controller.
func toAPerson(name string, weight int, do func(*world, *fakead.Server, fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc, id := w.dc(), w.person()
		w.say("%s %s", name, dc.DN(id))
		return do(w, dc, id) == nil
	}}
}

// toAUnit is a change of one unit by one controller.
func toAUnit(name string, weight int, do func(w *world, dc *fakead.Server, unit fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc := w.dc()
		unit := dc.ID(pick(w, w.units[:2]...))
		w.say("%s %s", name, dc.DN(unit))
		return do(w, dc, unit) == nil
	}}
}

// toATombstone is a change of one that one of the controllers has.
func toATombstone(name string, weight int, do func(*fakead.Server, fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		dc := w.dc()
		buried := slices.DeleteFunc(slices.Clone(w.ids), func(id fakead.GUID) bool { return !strings.Contains(dc.DN(id), "DEL:") })
		if len(buried) == 0 {
			return false
		}
		id := pick(w, buried...)
		w.say("%s %s", name, dc.DN(id))
		return do(dc, id) == nil
	}}
}

var inTheDomain = []happening{
	{"create an account", 1, func(w *world) bool { return w.addPerson(w.dc(), len(w.ids)+10) }},
	toAPerson("change a detail", 3, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.SetAttribute(id, "mail", values(w.someMail())...)
	}),
	toAPerson("change a username", 3, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.SetAttribute(id, "sAMAccountName", w.someName())
	}),
	toAPerson("rename", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.Rename(id, w.someName()) }),
	toAPerson("move", 2, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Move(id, dc.DN(dc.ID(pick(w, w.units...))))
	}),
	toAUnit("move a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error {
		return dc.Move(unit, pick(w, w.base, dc.DN(dc.ID(w.units[2]))))
	}),
	toAUnit("rename a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.Rename(unit, "U-"+w.someName()) }),
	toAPerson("hide an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.Hide(since, dc.DN(id)) }),
	toAUnit("hide a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.Hide(since, dc.DN(unit)) }),
	{"show again", 1, func(w *world) bool { return w.dc().Unhide(since) == nil }},
	toAPerson("deny at an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Deny(since, dc.DN(id), pick(w, plainAttributes...))
	}),
	toAUnit("deny at a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error {
		return dc.Deny(since, dc.DN(unit), pick(w, append([]string{"uSNChanged"}, plainAttributes...)...))
	}),
	toAPerson("reset the rights at an account", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error { return dc.ResetRights(since, dc.DN(id)) }),
	toAUnit("reset the rights at a unit", 1, func(w *world, dc *fakead.Server, unit fakead.GUID) error { return dc.ResetRights(since, dc.DN(unit)) }),
	{"the service account joins or leaves a group", 1, func(w *world) bool {
		dc := w.dc()
		svc := dc.ID("CN=svc,CN=Users,DC=ad,DC=example,DC=test")
		return dc.SetMembers(w.group, pick(w, []fakead.GUID{svc}, nil)...) == nil
	}},
	toAPerson("deny a group", 1, func(w *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Deny(w.group, pick(w, dc.DN(id), dc.DN(dc.ID(w.units[1]))))
	}),
	toAPerson("disable", 2, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Disable(id) }),
	toAPerson("enable", 1, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Enable(id) }),
	toAPerson("delete", 3, func(_ *world, dc *fakead.Server, id fakead.GUID) error { return dc.Delete(id) }),
	toATombstone("restore", 5, (*fakead.Server).Restore),
	toATombstone("recycle", 3, (*fakead.Server).Recycle),
	{"tombstones expire", 1, func(w *world) bool {
		w.clock.Add(pick[int64](w, 40, 100, 200) * 86400)
		w.dc().ExpireTombstones()
		return true
	}},
	{"make an attribute confidential, or not", 1, func(w *world) bool { return w.dc().SetConfidential("mail", w.chance(2)) == nil }},
	{"an account expires", 2, func(w *world) bool { // never while plans are made
		dc, id, days := w.dc(), w.person(), pick[int64](w, -1, 0, 0, 0, 30)
		w.say("%s expires in %d days and a half", dc.DN(id), days)
		return w.expiring && dc.SetAttribute(id, "accountExpires", fakead.FileTime(time.Unix(w.clock.Load()+days*86400+43200, 0))) == nil
	}},
	{"a day passes", 1, func(w *world) bool { w.clock.Add(86400); return w.expiring }},
}

// plainAttributes are such as an account can lose with a trace. Its number is none: see
// TestSince_IsLateWithAnAccountWhoseNumberIsHidden.
var plainAttributes = []string{"mail", "userAccountControl", "sAMAccountName", "accountExpires"}

func values(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// toAGroup is a change of one that gives a role, or is in one that does.
func toAGroup(name string, weight int, do func(w *world, dc *fakead.Server, group fakead.GUID) error) happening {
	return happening{name, weight, func(w *world) bool {
		if len(w.groups) == 0 {
			return false
		}
		dc, id := w.dc(), pick(w, w.groups...)
		w.say("%s %s", name, dc.DN(id))
		return do(w, dc, id) == nil
	}}
}

var toGroups = []happening{
	toAGroup("somebody joins", 3, func(w *world, dc *fakead.Server, group fakead.GUID) error { return dc.Join(group, w.person()) }),
	toAGroup("somebody leaves", 3, func(w *world, dc *fakead.Server, group fakead.GUID) error { return dc.Leave(group, w.person()) }),
	toAGroup("nest a group in", 1, func(w *world, dc *fakead.Server, group fakead.GUID) error {
		return dc.Join(group, pick(w, w.groups...))
	}),
	toAGroup("take a group out of", 1, func(w *world, dc *fakead.Server, group fakead.GUID) error { return dc.Leave(group, w.groups[0]) }),
	toAGroup("somebody's primary group becomes", 2, func(w *world, dc *fakead.Server, group fakead.GUID) error {
		id := w.person()
		_ = dc.Join(group, id)
		return dc.SetPrimaryGroup(id, dc.DN(group))
	}),
	toAGroup("rename a group", 1, func(w *world, dc *fakead.Server, group fakead.GUID) error {
		return dc.SetAttribute(group, "sAMAccountName", pick(w, "Staff", "Others"))
	}),
	toAGroup("hide a group", 1, func(_ *world, dc *fakead.Server, group fakead.GUID) error { return dc.Hide(since, dc.DN(group)) }),
	toAGroup("deny the members of", 1, func(_ *world, dc *fakead.Server, group fakead.GUID) error {
		return dc.Deny(since, dc.DN(group), "member")
	}),
	toAGroup("reset the rights at the group", 2, func(_ *world, dc *fakead.Server, group fakead.GUID) error { return dc.ResetRights(since, dc.DN(group)) }),
	toAGroup("delete a group", 2, func(_ *world, dc *fakead.Server, group fakead.GUID) error { return dc.Delete(group) }),
	{"restore a group", 6, func(w *world) bool {
		dc := w.dc()
		return slices.ContainsFunc(w.groups, func(id fakead.GUID) bool { return dc.Restore(id) == nil })
	}},
	toAPerson("deny the groups of", 1, func(_ *world, dc *fakead.Server, id fakead.GUID) error {
		return dc.Deny(since, dc.DN(id), "memberOf", "tokenGroups")
	}),
}

// two is what happens only where there are two controllers.
func two(name string, weight int, do func(w *world) bool) happening {
	return happening{name, weight, func(w *world) bool { return len(w.dcs) == 2 && do(w) }}
}

// back is what puts a controller back to what it was. No mark is gone on from by which an
// account was out of sight that is in sight again: that account can be late, as
// TestSince_IsLateWithAnAccountThatARollBackShows has it.
func back(name string, weight int, do func(*fakead.Server, *fakead.Snapshot)) happening {
	return happening{name, weight, func(w *world) bool {
		i := w.rng.IntN(len(w.dcs))
		if w.snapshots[i] == nil {
			return false
		}
		w.say("%s %d", name, i+1)
		do(w.dcs[i], w.snapshots[i])
		shown := w.inSight(i)
		w.marks = slices.DeleteFunc(w.marks, func(k kept) bool {
			return slices.ContainsFunc(shown, func(id fakead.GUID) bool { return !slices.Contains(k.saw[i], id) })
		})
		if !slices.ContainsFunc(w.marks, func(k kept) bool { return k.mark == w.mark }) {
			w.mark = nil
		}
		return true
	}}
}

// inSight are the accounts that a controller shows to the service account.
func (w *world) inSight(controller int) (ids []fakead.GUID) {
	for _, id := range w.ids {
		if w.dcs[controller].Shows(since, id, "objectGUID", "uSNChanged") {
			ids = append(ids, id)
		}
	}
	return ids
}

var toControllers = []happening{
	two("replicate", 3, func(w *world) bool {
		i := w.rng.IntN(2)
		w.say("replicate to %d", i+1)
		return w.dcs[i].Pull(w.dcs[1-i]) == nil
	}),
	two("a controller stops, or starts again", 2, func(w *world) bool {
		if w.stopped >= 0 {
			w.dcs[w.stopped].Restart()
			w.stopped = -1
			w.say("both controllers are up")
			return true
		}
		w.stopped = w.rng.IntN(2)
		w.dcs[w.stopped].Stop()
		w.say("stop %d", w.stopped+1)
		return true
	}),
	{"take a snapshot", 2, func(w *world) bool {
		i := w.rng.IntN(len(w.dcs))
		w.snapshots[i] = w.dcs[i].Snapshot()
		w.say("snapshot of %d", i+1)
		return true
	}},
	back("restore a controller from its backup", 1, (*fakead.Server).RestoreBackup),
	back("roll a controller back", 2, (*fakead.Server).RollBack),
}

// toARow is an edit by the host.
func toARow(name string, weight int, do func(*world, *adsync.User) bool) happening {
	return happening{name, weight, func(w *world) bool {
		if len(w.users) == 0 {
			return false
		}
		u := &w.users[w.rng.IntN(len(w.users))]
		w.say("%s %s", name, u.ID)
		return do(w, u)
	}}
}

var inTheTable = []happening{
	toARow("edit the username of row", 1, func(w *world, u *adsync.User) bool { u.Username = w.someName(); return true }),
	toARow("edit the email of row", 1, func(w *world, u *adsync.User) bool { u.Email = w.someMail(); return true }),
	toARow("edit the status of row", 1, func(w *world, u *adsync.User) bool {
		u.Status = pick(w, adsync.StatusActive, adsync.StatusBlocked, adsync.StatusDeactivated)
		return true
	}),
	toARow("edit the roles of row", 3, func(w *world, u *adsync.User) bool {
		u.Extra = u.Extra.With(adsync.FieldRoles, pick(w, []string{"staff"}, []string{"temp"}, []string{"staff", "temp"}, nil)...)
		return len(w.roles) > 0
	}),
	toARow("protect, or not, row", 1, func(_ *world, u *adsync.User) bool { u.Protected = !u.Protected; return true }),
	toARow("delete row", 1, func(w *world, u *adsync.User) bool {
		w.users = slices.DeleteFunc(w.users, func(one adsync.User) bool { return one.ID == u.ID })
		return true
	}),
	toARow("unlink row", 1, func(_ *world, u *adsync.User) bool { u.ObjectID = adsync.ObjectID{}; return true }),
	toARow("link to another account row", 1, func(w *world, u *adsync.User) bool { u.ObjectID = adsync.ObjectID(w.person()); return true }),
	{"a local user is added", 1, func(w *world) bool {
		w.addLocal("l" + strconv.Itoa(w.events))
		return true
	}},
	{"the local user in a duplicate's way is renamed", 3, func(w *world) bool {
		for _, c := range w.blocked {
			for _, conflict := range c.Conflicts {
				i := slices.IndexFunc(w.users, func(u adsync.User) bool { return u.ObjectID.IsZero() && slices.Contains(conflict.With, u.ID) })
				if i < 0 {
					continue
				}
				w.users[i].Username, w.users[i].Email = "free"+strconv.Itoa(w.events), ""
				w.freed = append(w.freed, c.ObjectID)
				w.say("rename %s out of the way of %s", w.users[i].ID, c.ObjectID)
				return true
			}
		}
		return false
	}},
	{"the mark is lost", 1, func(w *world) bool { w.mark = nil; return true }},
	{"an older mark is gone on from", 1, func(w *world) bool {
		if len(w.marks) < 2 {
			return false
		}
		w.mark = pick(w, w.marks...).mark
		return true
	}},
}
