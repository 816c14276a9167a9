package adsync

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/internal/ldapread"
)

func dirID(n byte) ObjectID { return ObjectID{15: n} }

func dirEntry(n byte, state State) Entry {
	return Entry{ObjectID: dirID(n), Profile: Profile{Username: fmt.Sprintf("u%d", n)}, State: state}
}

// gather reads a sequence by hand and fails the test if it goes on after an error.
func gather(t *testing.T, sequence iter.Seq2[Entry, error]) (entries []Entry, err error) {
	t.Helper()
	sequence(func(e Entry, failure error) bool {
		require.NoError(t, err, "the sequence went on after its error")
		if failure != nil {
			err = failure
			assert.Equal(t, Entry{}, e)
			return true
		}
		entries = append(entries, e)
		return true
	})
	return entries, err
}

func TestObjectIDText(t *testing.T) {
	const printed = "e124855b-1a37-41be-9f05-3c1a9b7d2e10"
	id, err := ParseObjectID("{" + strings.ToUpper(printed) + "}")
	require.NoError(t, err)
	wire, err := ObjectIDFromBytes([]byte("\x5b\x85\x24\xe1\x37\x1a\xbe\x41\x9f\x05\x3c\x1a\x9b\x7d\x2e\x10"))
	require.NoError(t, err)
	assert.Equal(t, id, wire)
	assert.Equal(t, printed, id.String())

	text, err := json.Marshal(map[string]ObjectID{"id": id})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"`+printed+`"}`, string(text))
	var back map[string]ObjectID
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, id, back["id"])
	require.NoError(t, json.Unmarshal([]byte(`{"id":""}`), &back))
	assert.True(t, back["id"].IsZero())
	assert.Error(t, json.Unmarshal([]byte(`{"id":"ada"}`), &back))
}

func TestObjectIDInADatabase(t *testing.T) {
	const printed = "e124855b-1a37-41be-9f05-3c1a9b7d2e10"
	id, err := ParseObjectID(printed)
	require.NoError(t, err)
	value, err := id.Value()
	require.NoError(t, err)
	assert.Equal(t, printed, value)
	null, err := ObjectID{}.Value()
	require.NoError(t, err)
	assert.Nil(t, null)

	for _, src := range []any{printed, []byte(printed), id[:], [16]byte(id)} {
		var got ObjectID
		require.NoError(t, got.Scan(src), "%T", src)
		assert.Equal(t, id, got, "%T", src)
	}
	got := id
	require.NoError(t, got.Scan(nil))
	assert.True(t, got.IsZero())
	assert.Error(t, got.Scan(7))
	assert.Error(t, got.Scan("ada"))
}

func TestProfileGetAndWith(t *testing.T) {
	var p Profile
	for _, f := range details {
		changed := p.With(f, "new "+string(f))
		assert.Equal(t, "new "+string(f), changed.Get(f))
		for _, other := range details {
			if other != f {
				assert.Empty(t, changed.Get(other), "%s changes %s", f, other)
			}
		}
	}
	assert.Zero(t, p, "the profile itself stays")
	assert.Empty(t, p.Get(FieldStatus))
	assert.Equal(t, p, p.With(FieldStatus, "x"))
}

func TestStaticDirectory(t *testing.T) {
	d := StaticDirectory{dirEntry(2, ""), dirEntry(1, StatePresent), dirEntry(3, StateOutOfScope), dirEntry(4, StateDeleted), dirEntry(5, StateUnproven)}
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, []Entry(d[:2]), entries, "in their order")

	ids := []ObjectID{dirID(9), dirID(5), dirID(4), dirID(3), dirID(2), dirID(2)}
	before := slices.Clone(ids)
	found, err := gather(t, d.Find(t.Context(), ids))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{d[0], d[2], d[3], d[4], {ObjectID: dirID(9), State: StateDeleted}}, found)
	assert.Equal(t, before, ids, "the caller's ids are left alone")
}

func TestStaticDirectoryWithOneIDTwice(t *testing.T) {
	moved, renamed := dirEntry(1, StatePresent), dirEntry(1, "")
	moved.DN, renamed.Username = "CN=elsewhere", "other"
	d := StaticDirectory{dirEntry(1, ""), moved, renamed}
	found, err := gather(t, d.Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry{d[0], renamed}, found, "the DN is no difference, the name is")
}

func TestLookingForTheZeroIDIsAnError(t *testing.T) {
	ad, err := NewActiveDirectory(goodConfig())
	require.NoError(t, err)
	static := StaticDirectory{dirEntry(1, "")}
	for _, d := range []Directory{static, Listing(static.Entries), Join(static), ad} {
		found, err := gather(t, d.Find(t.Context(), []ObjectID{dirID(1), {}}))
		assert.ErrorContains(t, err, "zero ObjectID", "%T", d)
		assert.Empty(t, found)
	}
}

func TestListing(t *testing.T) {
	runs := 0
	l := Listing(func(ctx context.Context) iter.Seq2[Entry, error] {
		runs++
		return StaticDirectory{dirEntry(1, ""), dirEntry(2, "")}.Entries(ctx)
	})
	found, err := gather(t, l.Find(t.Context(), []ObjectID{dirID(2), dirID(3)}))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{dirEntry(2, ""), dirEntry(3, StateDeleted)}, withoutNames(found, 3))
	assert.Equal(t, 1, runs)
}

// withoutNames gives answers for nobody the name that dirEntry gives.
func withoutNames(entries []Entry, n byte) []Entry {
	for i := range entries {
		if entries[i].ObjectID == dirID(n) {
			entries[i].Username = fmt.Sprintf("u%d", n)
		}
	}
	return entries
}

func TestAListingThatFailsCallsNobodyDeleted(t *testing.T) {
	broken := errors.New("broken")
	l := Listing(func(context.Context) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			if yield(dirEntry(1, ""), nil) {
				yield(Entry{}, broken)
			}
		}
	})
	found, err := gather(t, l.Find(t.Context(), []ObjectID{dirID(1), dirID(2)}))
	assert.ErrorIs(t, err, broken)
	assert.Empty(t, found)
	_, err = gather(t, l.Entries(t.Context()))
	assert.ErrorIs(t, err, broken)
}

// A listing that just stops when it is cancelled must not look complete.
func TestAListingThatStopsSilentlyIsNotComplete(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := Listing(func(context.Context) iter.Seq2[Entry, error] {
		return func(yield func(Entry, error) bool) {
			yield(dirEntry(1, ""), nil)
			cancel()
		}
	})
	_, err := gather(t, l.Entries(ctx))
	assert.ErrorIs(t, err, context.Canceled)
	found, err := gather(t, l.Find(ctx, []ObjectID{dirID(2)}))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Empty(t, found)
}

func TestJoin(t *testing.T) {
	j := Join(
		StaticDirectory{dirEntry(1, ""), dirEntry(2, StateOutOfScope), dirEntry(3, StateUnproven), dirEntry(4, StateUnproven), dirEntry(5, StateDeleted), dirEntry(6, StateOutOfScope)},
		StaticDirectory{dirEntry(1, StateUnproven), dirEntry(2, StateUnproven), dirEntry(3, StateDeleted), dirEntry(4, StateUnproven), dirEntry(5, StatePresent), dirEntry(6, StateDeleted)},
	)
	entries, err := gather(t, j.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, []Entry{dirEntry(1, ""), dirEntry(5, StatePresent)}, entries)
	found, err := gather(t, j.Find(t.Context(), []ObjectID{dirID(1), dirID(2), dirID(3), dirID(4), dirID(5), dirID(6), dirID(6)}))
	require.NoError(t, err)
	assert.ElementsMatch(t, []Entry{dirEntry(1, ""), dirEntry(2, StateOutOfScope), dirEntry(3, StateDeleted),
		dirEntry(4, StateUnproven), dirEntry(5, StatePresent), dirEntry(6, StateOutOfScope)}, found)
}

func TestJoinOfTwoThatShowOneAccount(t *testing.T) {
	same, other := dirEntry(1, StatePresent), dirEntry(1, "")
	same.DN, other.Phone = "CN=elsewhere", "1"
	first := StaticDirectory{dirEntry(1, "")}
	found, err := gather(t, Join(first, StaticDirectory{same}).Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry(first), found)
	found, err = gather(t, Join(first, StaticDirectory{other}).Find(t.Context(), []ObjectID{dirID(1)}))
	require.NoError(t, err)
	assert.Equal(t, []Entry{first[0], other}, found)
}

func TestJoinFailsAsAWhole(t *testing.T) {
	broken := failing{errors.New("broken")}
	silent := directoryFuncs{find: func(context.Context, []ObjectID) iter.Seq2[Entry, error] { return yields(dirEntry(1, "")) }}
	good := StaticDirectory{dirEntry(1, "")}
	ids := []ObjectID{dirID(1), dirID(2)}
	for name, j := range map[string]Directory{
		"of none": Join(), "of a nil": Join(good, nil), "the first broken": Join(broken, good),
		"the last broken": Join(good, broken), "one that leaves out answers": Join(silent, good),
	} {
		found, err := gather(t, j.Find(t.Context(), ids))
		assert.Error(t, err, name)
		assert.Empty(t, found, name)
		if name != "one that leaves out answers" {
			_, err = gather(t, j.Entries(t.Context()))
			assert.Error(t, err, name)
		}
	}
}

func TestJoinInspects(t *testing.T) {
	plain := StaticDirectory{dirEntry(1, "")}
	_, is := Join(plain).(Inspector)
	assert.False(t, is)
	_, is = Join(plain).(Sessions)
	assert.False(t, is)
	a := inspected{plain, Access{Controller: "dc1", BaseDN: "DC=a", Tombstones: true, Missing: []string{"x"}}, nil}
	b := inspected{plain, Access{Controller: "dc2", BaseDN: "DC=b", Missing: []string{"y"}}, nil}
	got, err := Join(a, plain, b).(Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, Access{Controller: "dc1, dc2", BaseDN: "DC=a; DC=b", Missing: []string{"x", "y"}}, got)
	got, err = Join(a, a).(Inspector).Inspect(t.Context())
	require.NoError(t, err)
	assert.True(t, got.Tombstones)
	_, err = Join(a, inspected{plain, Access{}, errors.New("broken")}).(Inspector).Inspect(t.Context())
	assert.ErrorContains(t, err, "broken")
	_, err = Join(a, nil).(Inspector).Inspect(t.Context())
	assert.Error(t, err)
}

type inspected struct {
	Directory
	access Access
	err    error
}

func (i inspected) Inspect(context.Context) (Access, error) { return i.access, i.err }

type failing struct{ err error }

func (f failing) Entries(context.Context) iter.Seq2[Entry, error] { return fails(f.err) }

func (f failing) Find(context.Context, []ObjectID) iter.Seq2[Entry, error] { return fails(f.err) }

func fails(err error) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) { yield(Entry{}, err) }
}

func yields(entries ...Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

type directoryFuncs struct {
	entries func(context.Context) iter.Seq2[Entry, error]
	find    func(context.Context, []ObjectID) iter.Seq2[Entry, error]
}

func (d directoryFuncs) Entries(ctx context.Context) iter.Seq2[Entry, error] { return d.entries(ctx) }

func (d directoryFuncs) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return d.find(ctx, ids)
}

func TestCheckDirectoryPassesOurs(t *testing.T) {
	static := StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, StateOutOfScope), dirEntry(4, StateDeleted), dirEntry(5, StateUnproven)}
	assert.NoError(t, CheckDirectory(t.Context(), static, static...))
	assert.NoError(t, CheckDirectory(t.Context(), Listing(static.Entries), static[:2]...))
	assert.NoError(t, CheckDirectory(t.Context(), Join(static, StaticDirectory{dirEntry(6, "")}), dirEntry(6, "")))
}

// Each of these directories breaks one duty, and the check must name that one.
func TestCheckDirectoryNamesTheDuty(t *testing.T) {
	good := StaticDirectory{dirEntry(1, ""), dirEntry(2, ""), dirEntry(3, StateOutOfScope)}
	find := func(change func([]Entry) []Entry) func(context.Context, []ObjectID) iter.Seq2[Entry, error] {
		return func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			found, err := collect(good.Find(ctx, ids))
			if err != nil {
				return fails(err)
			}
			return yields(change(found)...)
		}
	}
	ranged, called := false, 0
	ignoreContext := func(Directory) directoryFuncs {
		return directoryFuncs{
			func(context.Context) iter.Seq2[Entry, error] { return good.Entries(context.Background()) },
			func(_ context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
				return good.Find(context.Background(), ids)
			},
		}
	}
	tests := []struct {
		duty string
		dir  Directory
		want []Entry
	}{
		{"Entries lists the accounts in scope: it failed", directoryFuncs{entries: failing{errors.New("broken")}.Entries, find: good.Find}, nil},
		{"Entries lists the accounts in scope: it yields nobody", StaticDirectory{}, nil},
		{"Entries lists the accounts in scope: an entry has no ObjectID", append(StaticDirectory{{}}, good...), nil},
		{"Entries lists the accounts in scope: " + dirID(3).String() + " has the state", directoryFuncs{good.all, good.Find}, nil},
		{"Entries starts afresh: ranged a second time", directoryFuncs{func(ctx context.Context) iter.Seq2[Entry, error] {
			return func(yield func(Entry, error) bool) {
				if ranged = !ranged; ranged {
					good.Entries(ctx)(yield)
				}
			}
		}, good.Find}, nil},
		{"Entries starts afresh: called a second time", directoryFuncs{func(ctx context.Context) iter.Seq2[Entry, error] {
			if called++; called > 1 {
				return good[:1].Entries(ctx)
			}
			return good.Entries(ctx)
		}, good.Find}, nil},
		{"Find knows whom Entries lists: it failed", directoryFuncs{good.Entries, failing{errors.New("broken")}.Find}, nil},
		{"Find knows whom Entries lists: it has no answer for " + dirID(2).String(), directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			return slices.DeleteFunc(found, func(e Entry) bool { return e.ObjectID == dirID(2) })
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " is \"deleted\"", directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			for i := range found {
				found[i].State = StateDeleted
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " has another profile", directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			for i := range found {
				found[i].Email = "x"
			}
			return found
		})}, nil},
		{"Find knows whom Entries lists: " + dirID(1).String() + " has Disabled", directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			for i := range found {
				found[i].Disabled = true
			}
			return found
		})}, nil},
		{"Find answers for an account that never was: it has no answer", directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			return slices.DeleteFunc(found, func(e Entry) bool { return e.Username == "" })
		})}, nil},
		{"Find answers for an account that never was", directoryFuncs{good.Entries, find(func(found []Entry) []Entry {
			for i := range found {
				found[i].State = StatePresent
			}
			return found
		})}, nil},
		{"Find answers once for an id that is asked for twice: it answers more than once", directoryFuncs{good.Entries, func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			return func(yield func(Entry, error) bool) {
				for _, id := range ids {
					for e, err := range good.Find(ctx, []ObjectID{id}) {
						if !yield(e, err) {
							return
						}
					}
				}
			}
		}}, nil},
		{"Find of no ids yields nothing: it answers for", directoryFuncs{good.Entries, func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			if len(ids) == 0 {
				return good.Entries(ctx)
			}
			return good.Find(ctx, ids)
		}}, nil},
		{"Find gives the entries wanted their state: " + dirID(3).String() + " is \"out-of-scope\", want \"deleted\"", good, []Entry{dirEntry(3, StateDeleted)}},
		{"Find gives the entries wanted their state: " + dirID(1).String() + " has another profile", good, []Entry{{ObjectID: dirID(1)}}},
		{"Entries lists the accounts in scope: " + dirID(2).String() + " is wanted \"present\"; listed: false", directoryFuncs{good[:1].Entries, good.Find}, []Entry{dirEntry(2, "")}},
		{"Entries stops when the loop does", directoryFuncs{func(ctx context.Context) iter.Seq2[Entry, error] {
			return func(yield func(Entry, error) bool) {
				good.Entries(ctx)(func(e Entry, err error) bool { yield(e, err); return true })
			}
		}, good.Find}, nil},
		{"Find stops when the loop does", directoryFuncs{good.Entries, func(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
			return func(yield func(Entry, error) bool) {
				good.Find(ctx, ids)(func(e Entry, err error) bool { yield(e, err); return true })
			}
		}}, nil},
		{"Entries ends with an error when its context has ended", ignoreContext(good), nil},
		{"Find ends with an error when its context has ended: there was none", ignoreContext(good), nil},
		{"Entries ends with an error when its context has ended: it went on after the error", directoryFuncs{func(ctx context.Context) iter.Seq2[Entry, error] {
			return func(yield func(Entry, error) bool) {
				for _, e := range good[:2] {
					if !yield(e, ctx.Err()) {
						return
					}
				}
			}
		}, good.Find}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.duty, func(t *testing.T) {
			assert.ErrorContains(t, CheckDirectory(t.Context(), tt.dir, tt.want...), "adsync: CheckDirectory: "+tt.duty)
		})
	}
	assert.Error(t, CheckDirectory(t.Context(), nil))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, CheckDirectory(ended, good), context.Canceled)
}

func goodConfig() ActiveDirectoryConfig {
	return ActiveDirectoryConfig{URLs: []string{"ldaps://dc1.corp.example"}, Bind: SimpleBind("svc@corp.example", "hunter2")}
}

func TestNewActiveDirectoryRefuses(t *testing.T) {
	secret := func(context.Context) (string, error) { return "hunter2", nil }
	tests := []struct {
		says   string
		change func(*ActiveDirectoryConfig)
	}{
		{"no URLs", func(c *ActiveDirectoryConfig) { c.URLs = nil }},
		{"both URLs and Domain", func(c *ActiveDirectoryConfig) { c.Domain = "corp.example" }},
		{"Site needs a Domain", func(c *ActiveDirectoryConfig) { c.Site = "Berlin" }},
		{"not a DNS name", func(c *ActiveDirectoryConfig) { c.URLs, c.Domain = nil, "ldap://corp.example" }},
		{"not a DNS name", func(c *ActiveDirectoryConfig) { c.URLs, c.Domain, c.Site = nil, "corp.example", "a b" }},
		{"URLs[1]", func(c *ActiveDirectoryConfig) { c.URLs = append(c.URLs, "dc2.corp.example") }},
		{"URLs[0]", func(c *ActiveDirectoryConfig) { c.URLs = []string{"ldaps://svc:hunter2@dc1"} }},
		{"URLs[0]", func(c *ActiveDirectoryConfig) { c.URLs = []string{"https://dc1"} }},
		{"in the clear", func(c *ActiveDirectoryConfig) { c.URLs = []string{"ldaps://dc1", "ldap://dc1"} }},
		{"Bind is missing", func(c *ActiveDirectoryConfig) { c.Bind = Bind{} }},
		{"password is empty", func(c *ActiveDirectoryConfig) { c.Bind = SimpleBind("svc", "") }},
		{"user name", func(c *ActiveDirectoryConfig) { c.Bind = SimpleBind("", "hunter2") }},
		{"user name", func(c *ActiveDirectoryConfig) { c.Bind = PasswordFunc("", secret) }},
		{"password", func(c *ActiveDirectoryConfig) { c.Bind = PasswordFunc("svc", nil) }},
		{"BindFunc", func(c *ActiveDirectoryConfig) { c.Bind = BindFunc(nil) }},
		{"Filter", func(c *ActiveDirectoryConfig) { c.Filter = "(mail=*" }},
		{"Filter", func(c *ActiveDirectoryConfig) { c.Filter = "(mail=*)(sn=*)" }},
		{"BaseDN", func(c *ActiveDirectoryConfig) { c.BaseDN = "corp.example" }},
		{"PageSize", func(c *ActiveDirectoryConfig) { c.PageSize = 1 << 31 }},
		{"Timeout", func(c *ActiveDirectoryConfig) { c.Timeout = -time.Second }},
		{`"title" is neither one of the five`, func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{"title": "title"} }},
		{`"status" is neither one of the five`, func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{FieldStatus: "x"} }},
		{`"object_id" is neither`, func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{FieldObjectID: "a)(b=*"} }},
		{"email is mapped", func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{FieldEmail: ""} }},
		{"email is mapped", func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{FieldEmail: "mail)(x=*"} }},
	}
	for _, tt := range tests {
		cfg := goodConfig()
		tt.change(&cfg)
		_, err := NewActiveDirectory(cfg)
		require.ErrorContains(t, err, tt.says)
		assert.ErrorContains(t, err, "adsync: ")
		assert.NotContains(t, err.Error(), "hunter2")
		assert.NotContains(t, err.Error(), "svc")
	}
}

func TestNewActiveDirectoryAccepts(t *testing.T) {
	for name, change := range map[string]func(*ActiveDirectoryConfig){
		"the least":            func(*ActiveDirectoryConfig) {},
		"StartTLS":             func(c *ActiveDirectoryConfig) { c.URLs, c.StartTLS = []string{"ldap://dc1"}, true },
		"both schemes":         func(c *ActiveDirectoryConfig) { c.URLs, c.StartTLS = []string{"ldap://dc1", "ldaps://dc2"}, true },
		"plaintext, permitted": func(c *ActiveDirectoryConfig) { c.URLs, c.AllowPlaintext = []string{"ldap://dc1"}, true },
		"a domain":             func(c *ActiveDirectoryConfig) { c.URLs, c.Domain, c.Site = nil, "corp.example.", "Berlin" },
		"a base by GUID":       func(c *ActiveDirectoryConfig) { c.BaseDN = "<GUID=e124855b-1a37-41be-9f05-3c1a9b7d2e10>" },
		"another attribute":    func(c *ActiveDirectoryConfig) { c.Attributes = map[Field]string{FieldUsername: "userPrincipalName"} },
	} {
		cfg := goodConfig()
		change(&cfg)
		_, err := NewActiveDirectory(cfg)
		assert.NoError(t, err, name)
	}
}

// corp is a domain with some controllers, all alike.
type corp struct {
	controllers []*fakead.Server
	ids         [][]fakead.GUID // by controller
}

const corpUser, corpPassword = "svc@ad.example.test", "S3rvice-of-the-test!"

func newCorp(t *testing.T, controllers, people int) *corp {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	c := &corp{}
	for range controllers {
		dc, err := fakead.Start(fakead.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, dc.Close()) })
		ou, err := dc.AddOU("People", "")
		require.NoError(t, err)
		_, err = dc.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
		require.NoError(t, err)
		require.NoError(t, dc.GrantTombstones(corpUser))
		var ids []fakead.GUID
		for n := range people {
			name := "u" + strconv.Itoa(n+1)
			id, err := dc.AddUser(fakead.User{Parent: ou, Username: name, FirstName: "F", LastName: "L", Email: name + "@x", Phone: "1"})
			require.NoError(t, err)
			ids = append(ids, id)
		}
		c.controllers, c.ids = append(c.controllers, dc), append(c.ids, ids)
	}
	return c
}

// directory reads the controllers in order.
func (c *corp) directory(t *testing.T, change func(*ActiveDirectoryConfig)) *ActiveDirectory {
	t.Helper()
	roots := c.controllers[0].RootCAs()
	cfg := ActiveDirectoryConfig{Bind: SimpleBind(corpUser, corpPassword), BaseDN: "OU=People," + c.controllers[0].BaseDN(), PageSize: 10, Timeout: 5 * time.Second}
	for _, dc := range c.controllers {
		cfg.URLs = append(cfg.URLs, dc.URL())
		roots.AppendCertsFromPEM(dc.CACert())
	}
	cfg.TLS = &tls.Config{RootCAs: roots}
	if change != nil {
		change(&cfg)
	}
	d, err := NewActiveDirectory(cfg)
	require.NoError(t, err)
	return d
}

func TestActiveDirectoryKeepsItsDuties(t *testing.T) {
	c := newCorp(t, 1, 25)
	dc, ids := c.controllers[0], c.ids[0]
	require.NoError(t, dc.Disable(ids[1]))
	require.NoError(t, dc.Delete(ids[2]))
	require.NoError(t, dc.Move(ids[3], "CN=Users,"+dc.BaseDN()))
	want := []Entry{
		{ObjectID: ObjectID(ids[0]), Profile: Profile{"u1", "F", "L", "u1@x", "1"}},
		{ObjectID: ObjectID(ids[1]), Profile: Profile{"u2", "F", "L", "u2@x", "1"}, Disabled: true},
		{ObjectID: ObjectID(ids[2]), State: StateDeleted},
		{ObjectID: ObjectID(ids[3]), State: StateOutOfScope},
		{ObjectID: dirID(1), State: StateUnproven},
	}
	d := c.directory(t, nil)
	assert.NoError(t, CheckDirectory(t.Context(), d, want...))
	assert.NoError(t, CheckDirectory(t.Context(), Join(d), want...))
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		assert.NoError(t, CheckDirectory(t.Context(), session, want...))
	}
	plain := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.PlainReader = true })
	assert.NoError(t, CheckDirectory(t.Context(), plain, want...))
	assert.True(t, plain.reader.Plain)
	assert.False(t, d.reader.Plain)
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	read, err := gather(t, plain.Entries(t.Context()))
	require.NoError(t, err)
	assert.ElementsMatch(t, entries, read)
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Username == "u1" })
	assert.Empty(t, cmp.Diff(Entry{ObjectID: ObjectID(ids[0]), Profile: want[0].Profile, State: StatePresent, DN: dc.DN(ids[0])}, entries[i]))
	assert.Eventually(t, func() bool { return dc.Connections() == 0 }, 5*time.Second, time.Millisecond)
}

func TestFailoverBeforeTheFirstEntryOnly(t *testing.T) {
	c := newCorp(t, 2, 25)
	first, second := c.controllers[0], c.controllers[1]
	d := c.directory(t, nil)

	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect, Times: 1})
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 25)
	assert.Equal(t, 1, second.Count(fakead.OpBind))

	d = c.directory(t, nil) // which does not know of that failure
	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2, Times: 1})
	entries, err = gather(t, d.Entries(t.Context()))
	require.Error(t, err, "one listing never mixes two controllers")
	assert.Len(t, entries, 10)
	assert.Equal(t, 1, second.Count(fakead.OpBind))

	first.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	second.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind})
	_, err = gather(t, d.Find(t.Context(), []ObjectID{dirID(1)}))
	for _, dc := range c.controllers {
		u, parseErr := url.Parse(dc.URL())
		require.NoError(t, parseErr)
		assert.ErrorContains(t, err, u.Host, "each controller's error is told")
	}
}

// A controller that failed costs its timeout once, and not in each sync.
func TestAControllerThatFailedIsTriedLast(t *testing.T) {
	for name, fault := range map[string]fakead.Fault{
		"dead":      {Kind: fakead.FaultCut, Op: fakead.OpConnect},
		"silent":    {Kind: fakead.FaultSilence, Op: fakead.OpConnect},
		"half-dead": {Kind: fakead.FaultSilence, Op: fakead.OpSearch},
		"slow":      {Kind: fakead.FaultDrip, Op: fakead.OpBind, Delay: time.Second},
		"busy":      {Kind: fakead.FaultResult, Op: fakead.OpSearch, Code: 51},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 2, 3)
			first, second := c.controllers[0], c.controllers[1]
			d := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.Timeout = time.Second })
			now := time.Now()
			d.health.now = func() time.Time { return now }
			read := func() {
				t.Helper()
				entries, err := gather(t, d.Entries(t.Context()))
				require.NoError(t, err)
				assert.Len(t, entries, 3)
			}
			cancel := first.Order(fault)
			read()
			read()
			assert.Equal(t, 1, first.Opened(), "not asked again while the other one answers")
			assert.Equal(t, 2, second.Opened())

			now = now.Add(firstBackoff)
			read()
			assert.Equal(t, 2, first.Opened(), "asked again after a while")
			now = now.Add(firstBackoff)
			read()
			assert.Equal(t, 2, first.Opened(), "a longer while after each failure")

			second.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect})
			cancel()
			read()
			assert.Equal(t, 3, first.Opened(), "the last hope is asked at any time")
			now = now.Add(longBackoff)
			read()
			assert.Equal(t, 4, first.Opened(), "and is the first again")
		})
	}
}

func TestTheBackoffDoubles(t *testing.T) {
	at := time.Unix(0, 0)
	for count, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 3: 2 * time.Minute, 5: 8 * time.Minute, 6: 10 * time.Minute, 1000: 10 * time.Minute} {
		assert.Equal(t, want, failures{count: count, last: at}.until().Sub(at), count)
	}
}

// One plan never mixes two controllers: each of these holds half of the people.
func TestAPlanStartsOverOnTheNextController(t *testing.T) {
	c := newCorp(t, 2, 25)
	require.NoError(t, c.controllers[1].SetAttribute(c.ids[1][0], "mail", "second@x"))
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2})
	store := NewMemoryStore()
	syncer, err := New(c.directory(t, nil), store, &Options{Rules: Rules{Import: true}})
	require.NoError(t, err)
	report, err := syncer.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 25, report.Counts().Created)
	for _, created := range report.Plan.Changes {
		assert.Contains(t, c.ids[1], fakead.GUID(created.ObjectID), "only of the second")
	}
}

// Somebody who presses the button again and again must not lock the account.
func TestAWrongPasswordIsNotSentAgain(t *testing.T) {
	c := newCorp(t, 2, 1)
	password := "hunter2"
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) {
		cfg.Bind = PasswordFunc(corpUser, func(context.Context) (string, error) { return password, nil })
	})
	now := time.Now()
	d.refused.now = func() time.Time { return now }
	binds := func() int { return c.controllers[0].Count(fakead.OpBind) + c.controllers[1].Count(fakead.OpBind) }
	for range 5 {
		_, err := gather(t, d.Entries(t.Context()))
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "hunter2")
		now = now.Add(time.Minute)
	}
	assert.Equal(t, 1, binds())
	_, err := gather(t, d.Entries(t.Context()))
	assert.ErrorIs(t, err, errRefusedBefore)

	now = now.Add(refusedFor)
	_, err = gather(t, d.Entries(t.Context()))
	assert.ErrorContains(t, err, "data 52e")
	assert.Equal(t, 2, binds(), "once more after a while")
	password = corpPassword
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err, "the right one goes at once")
	assert.Len(t, entries, 1)
}

// A server that refers to another must not get us to sign in there.
func TestAReferralIsNeverFollowed(t *testing.T) {
	elsewhere, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	called := make(chan bool, 1)
	go func() {
		conn, err := elsewhere.Accept()
		if err == nil {
			conn.Close()
		}
		called <- err == nil
	}()
	dc, err := fakead.Start(fakead.Config{ReferralHost: elsewhere.Addr().String()})
	require.NoError(t, err)
	defer dc.Close()
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: corpUser, Password: corpPassword})
	require.NoError(t, err)
	d, err := NewActiveDirectory(ActiveDirectoryConfig{
		URLs: []string{dc.URL()}, TLS: dc.ClientTLS(), Bind: SimpleBind(corpUser, corpPassword), Timeout: 5 * time.Second,
	})
	require.NoError(t, err)
	dc.Order(fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 1, Code: 10})
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "another domain")
	_, err = gather(t, d.Find(t.Context(), []ObjectID{dirID(1)}))
	require.Error(t, err)
	require.NoError(t, elsewhere.Close())
	assert.False(t, <-called, "the other server was called")
}

// An account that is disabled or expired is refused without being locked: once
// that is mended, the same password is right.
func TestAnotherRefusalIsNotRemembered(t *testing.T) {
	c := newCorp(t, 1, 1)
	dc := c.controllers[0]
	account, err := dc.AddUser(fakead.User{Username: "other", UPN: "other@ad.example.test", Password: corpPassword, Disabled: true})
	require.NoError(t, err)
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.Bind = SimpleBind("other@ad.example.test", corpPassword) })
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "data 533")
	require.NoError(t, dc.Enable(account))
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
}

func TestARefusedPasswordIsTriedOnce(t *testing.T) {
	for name, read := range map[string]func(*ActiveDirectory) error{
		"Entries": func(d *ActiveDirectory) error { _, err := collect(d.Entries(context.Background())); return err },
		"Find": func(d *ActiveDirectory) error {
			_, err := collect(d.Find(context.Background(), []ObjectID{dirID(1)}))
			return err
		},
		"Inspect": func(d *ActiveDirectory) error { _, err := d.Inspect(context.Background()); return err },
		"Search":  func(d *ActiveDirectory) error { _, err := d.Search(context.Background(), "u", 5); return err },
		"Sessions": func(d *ActiveDirectory) error {
			var last error
			sessions := 0
			for session, err := range d.Sessions(context.Background()) {
				if last = err; err == nil {
					sessions++
					_, _ = collect(session.Entries(context.Background()))
				}
			}
			if sessions != 1 {
				return fmt.Errorf("%d sessions", sessions)
			}
			return last
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 2, 1)
			err := read(c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.Bind = SimpleBind(corpUser, "hunter2") }))
			require.ErrorContains(t, err, "data 52e")
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), corpUser)
			assert.Equal(t, 1, c.controllers[0].Count(fakead.OpBind))
			assert.Zero(t, c.controllers[1].Opened())
		})
	}
}

func TestPasswordFunc(t *testing.T) {
	c := newCorp(t, 2, 1)
	asked := 0
	password, failure := corpPassword, error(nil)
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) {
		cfg.Bind = PasswordFunc(corpUser, func(context.Context) (string, error) { asked++; return password, failure })
	})
	for range 2 {
		_, err := gather(t, d.Entries(t.Context()))
		require.NoError(t, err)
	}
	assert.Equal(t, 2, asked, "read anew for each connection")

	opened := c.controllers[0].Opened()
	password = ""
	_, err := gather(t, d.Entries(t.Context()))
	assert.ErrorContains(t, err, "password is empty")
	failure = errors.New("the vault is shut")
	_, err = gather(t, d.Entries(t.Context()))
	assert.ErrorIs(t, err, failure)
	assert.Equal(t, 4, asked, "once for each call: no other controller is tried")
	assert.Equal(t, opened, c.controllers[0].Opened(), "nothing was sent")
}

func TestBindFunc(t *testing.T) {
	c := newCorp(t, 1, 3)
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) {
		cfg.Bind = BindFunc(func(_ context.Context, host string, conn *ldap.Conn) error {
			assert.Equal(t, "127.0.0.1", host)
			return conn.Bind(corpUser, corpPassword)
		})
	})
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Len(t, entries, 3)
}

func TestClientCertificates(t *testing.T) {
	external := BindFunc(func(_ context.Context, _ string, conn *ldap.Conn) error { return conn.ExternalBind() })
	for name, startTLS := range map[string]bool{"ldaps": false, "StartTLS": true} {
		t.Run(name, func(t *testing.T) {
			c := newCorp(t, 1, 3)
			dc := c.controllers[0]
			certificate, err := dc.ClientCertificate(corpUser)
			require.NoError(t, err)
			with := func(certificates ...tls.Certificate) *ActiveDirectory {
				return c.directory(t, func(cfg *ActiveDirectoryConfig) {
					cfg.Bind, cfg.TLS.Certificates = external, certificates
					if startTLS {
						cfg.URLs, cfg.StartTLS = []string{dc.PlainURL()}, true
					}
				})
			}
			entries, err := gather(t, with(certificate).Entries(t.Context()))
			require.NoError(t, err)
			assert.Len(t, entries, 3)
			_, err = gather(t, with().Entries(t.Context()))
			assert.ErrorContains(t, err, "Result Code 49", "without a certificate")
		})
	}
	t.Run("of another authority", func(t *testing.T) {
		c := newCorp(t, 2, 1)
		foreign, err := c.controllers[1].ClientCertificate(corpUser)
		require.NoError(t, err)
		d := c.directory(t, func(cfg *ActiveDirectoryConfig) {
			cfg.URLs, cfg.Bind, cfg.TLS.Certificates = cfg.URLs[:1], external, []tls.Certificate{foreign}
		})
		_, err = gather(t, d.Entries(t.Context()))
		require.ErrorContains(t, err, "adsync: ")
		assert.Zero(t, c.controllers[0].Count(fakead.OpSearch))
	})
}

func TestAPrivateAuthority(t *testing.T) {
	c := newCorp(t, 1, 1)
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.TLS = nil }) // the system's roots do not know it
	_, err := gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "must be among the TLS RootCAs")
	assert.Zero(t, c.controllers[0].Count(fakead.OpBind), "no password to a stranger")

	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(c.controllers[0].CACert()))
	d = c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.TLS = &tls.Config{RootCAs: roots} })
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
}

// The password is changed on both sides while the host runs.
func TestAPasswordThatRotates(t *testing.T) {
	c := newCorp(t, 1, 1)
	dc := c.controllers[0]
	account, err := dc.AddUser(fakead.User{Username: "rotating", UPN: "rotating@ad.example.test", Password: "first-Secret"})
	require.NoError(t, err)
	vault := "first-Secret"
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) {
		cfg.Bind = PasswordFunc("rotating@ad.example.test", func(context.Context) (string, error) { return vault, nil })
	})
	_, err = gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	require.NoError(t, dc.SetPassword(account, "second-Secret"))
	_, err = gather(t, d.Entries(t.Context()))
	require.ErrorContains(t, err, "data 52e")
	vault = "second-Secret"
	_, err = gather(t, d.Entries(t.Context()))
	assert.NoError(t, err)
	assert.Equal(t, 3, dc.BindAttempts(account))
}

// Who permits it is told of it with each plan, and in the host's log.
func TestPlaintextIsWarnedOf(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	dc, err := fakead.Start(fakead.Config{AllowUnsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	ada, err := dc.AddUser(fakead.User{Username: "ada"})
	require.NoError(t, err)
	clearly := func(startTLS bool) (warnings []string, log string) {
		d, err := NewActiveDirectory(ActiveDirectoryConfig{URLs: []string{dc.PlainURL()}, StartTLS: startTLS, AllowPlaintext: true,
			TLS: dc.ClientTLS(), Bind: SimpleBind(dc.AdminDN(), dc.AdminPassword())})
		require.NoError(t, err)
		var text strings.Builder
		s, err := New(d, NewMemoryStore(User{ID: "1", ObjectID: ObjectID(ada), Profile: Profile{Username: "ada"}}), &Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})
		require.NoError(t, err)
		plan, err := s.Plan(t.Context())
		require.NoError(t, err)
		return plan.Warnings, text.String()
	}
	warnings, log := clearly(false)
	assert.Contains(t, strings.Join(warnings, "\n"), "in the clear")
	assert.Contains(t, log, "in the clear")
	warnings, log = clearly(true)
	assert.NotContains(t, strings.Join(warnings, "\n"), "in the clear")
	assert.NotContains(t, log, "in the clear")
}

func TestSessions(t *testing.T) {
	c := newCorp(t, 3, 3)
	d := c.directory(t, nil)
	c.controllers[1].Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect})
	var kept []Directory
	var failed []int
	for session, err := range d.Sessions(t.Context()) {
		require.NoError(t, err)
		n := len(kept)
		kept = append(kept, session)
		for range 2 { // a pinned directory reads its controller and no other
			entries, err := gather(t, session.Entries(t.Context()))
			if err != nil {
				failed = append(failed, n)
				break
			}
			assert.Len(t, entries, 3)
			found, err := gather(t, session.Find(t.Context(), []ObjectID{ObjectID(c.ids[n][0])}))
			require.NoError(t, err)
			assert.Equal(t, StatePresent, found[0].State)
			access, err := session.(Inspector).Inspect(t.Context())
			require.NoError(t, err)
			assert.True(t, access.Tombstones)
		}
	}
	assert.Len(t, kept, 3)
	assert.Equal(t, []int{1}, failed)
	assert.Equal(t, 1, c.controllers[0].Opened(), "one connection for the session")
	assert.Equal(t, 1, c.controllers[2].Opened())
	_, err := gather(t, kept[0].Entries(t.Context()))
	assert.ErrorContains(t, err, "over")
	for _, dc := range c.controllers {
		assert.Eventually(t, func() bool { return dc.Connections() == 0 }, 5*time.Second, time.Millisecond)
	}
}

func TestSessionsEndWithTheirContext(t *testing.T) {
	c := newCorp(t, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	sessions := 0
	var last error
	for _, err := range c.directory(t, nil).Sessions(ctx) {
		if last = err; err == nil {
			sessions++
			cancel()
		}
	}
	assert.Equal(t, 1, sessions)
	assert.ErrorIs(t, last, context.Canceled)
}

func TestACallerWhoStopsIsNotFailedOver(t *testing.T) {
	c := newCorp(t, 2, 1)
	ctx, cancel := context.WithCancel(t.Context())
	c.controllers[0].Before(func(fakead.Request) { cancel() })
	c.controllers[0].Order(fakead.Fault{Kind: fakead.FaultSilence})
	_, err := gather(t, c.directory(t, nil).Entries(ctx))
	assert.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, c.controllers[1].Opened())
}

func TestCheckAndSearch(t *testing.T) {
	c := newCorp(t, 2, 25)
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.URLs = append([]string{"ldaps://127.0.0.1:1"}, cfg.URLs...) })
	access, err := d.Inspect(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "OU=People,"+c.controllers[0].BaseDN(), access.BaseDN)
	assert.True(t, access.Tombstones)
	assert.Empty(t, access.Missing)

	found, err := d.Search(t.Context(), "u2", 100)
	require.NoError(t, err)
	assert.Len(t, found, 7)
	found, err = d.Search(t.Context(), "", 1_000_000)
	require.NoError(t, err)
	assert.Len(t, found, 25)
	_, err = d.Search(t.Context(), "u", 0)
	assert.ErrorContains(t, err, "max")
}

func TestAttributes(t *testing.T) {
	c := newCorp(t, 1, 1)
	require.NoError(t, c.controllers[0].SetAttribute(c.ids[0][0], "mobile", "+49"))
	d := c.directory(t, func(cfg *ActiveDirectoryConfig) { cfg.Attributes = map[Field]string{FieldPhone: "MOBILE"} })
	entries, err := gather(t, d.Entries(t.Context()))
	require.NoError(t, err)
	assert.Equal(t, "+49", entries[0].Phone)
	for _, r := range c.controllers[0].Requests() {
		assert.NotContains(t, r.Attributes, "telephoneNumber")
	}
}

func TestControllersBySRVRecord(t *testing.T) {
	record := func(target string, port uint16) *net.SRV { return &net.SRV{Target: target, Port: port} }
	zone := map[string][]*net.SRV{
		"_ldap._tcp.Berlin._sites.dc._msdcs.corp.example": {record("dc2.corp.example.", 389)},
		"_ldap._tcp.dc._msdcs.corp.example":               {record("DC1.corp.example.", 389), record("dc2.corp.example.", 389), record("dc.evil.example.", 389), record("evilcorp.example.", 389)},
	}
	lookup := func(_ context.Context, name string) ([]*net.SRV, error) {
		if records, ok := zone[name]; ok {
			return records, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	dc1 := ldapread.Server{Host: "dc1.corp.example", Port: "636", TLS: true}
	dc2 := ldapread.Server{Host: "dc2.corp.example", Port: "636", TLS: true}
	tests := []struct {
		name string
		srv  srvRecords
		want []ldapread.Server
	}{
		{"the domain", srvRecords{domain: "corp.example"}, []ldapread.Server{dc1, dc2}},
		{"the site first", srvRecords{domain: "corp.example", site: "Berlin"}, []ldapread.Server{dc2, dc1}},
		{"a site without records", srvRecords{domain: "corp.example", site: "Bonn"}, []ldapread.Server{dc1, dc2}},
		{"StartTLS", srvRecords{domain: "corp.example", startTLS: true}, []ldapread.Server{
			{Host: "dc1.corp.example", Port: "389", StartTLS: true}, {Host: "dc2.corp.example", Port: "389", StartTLS: true}}},
	}
	for _, tt := range tests {
		tt.srv.lookup = lookup
		servers, err := tt.srv.locate(t.Context())
		require.NoError(t, err, tt.name)
		assert.Equal(t, tt.want, servers, tt.name)
	}
	_, err := srvRecords{domain: "other.example", lookup: lookup}.locate(t.Context())
	assert.ErrorContains(t, err, "DNS names no controller")

	cfg := goodConfig()
	cfg.URLs, cfg.Domain = nil, "other.example"
	d, err := NewActiveDirectory(cfg)
	require.NoError(t, err)
	d.srv.lookup = lookup
	_, err = gather(t, d.Entries(t.Context()))
	var notFound *net.DNSError
	assert.ErrorAs(t, err, &notFound)
}

// forest is two domains, each with its own people.
func forest(t *testing.T) (north, south *corp, joined Directory) {
	t.Helper()
	north, south = newCorp(t, 1, 3), newCorp(t, 1, 3)
	return north, south, Join(north.directory(t, nil), south.directory(t, nil))
}

// hosted is a host's users for accounts of the forest.
func hosted(ids ...fakead.GUID) *MemoryStore {
	users := make([]User, len(ids))
	for i, id := range ids {
		users[i] = User{ID: fmt.Sprintf("id-%d", i+1), ObjectID: ObjectID(id), Profile: Profile{Username: fmt.Sprintf("old-%d", i+1), FirstName: "F", LastName: "L", Email: fmt.Sprintf("old-%d@x", i+1), Phone: "1"}}
	}
	return NewMemoryStore(users...)
}

// Both domains have a u1. Whoever the host has under that name keeps it, and the
// other one is a duplicate: nobody takes over anybody's account.
func TestOneNameInTwoDomains(t *testing.T) {
	north, south, joined := forest(t)
	store := hosted(north.ids[0][0], south.ids[0][0])
	s, err := New(joined, store, nil)
	require.NoError(t, err)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, report.Counts().Duplicated, "both ask for u1, and neither has it")
	for _, c := range report.Plan.Changes {
		assert.Equal(t, OpDuplicate, c.Op)
		require.NotEmpty(t, c.Conflicts)
		assert.Equal(t, Conflict{Field: FieldUsername, Value: "u1", With: []string{map[string]string{"id-1": "id-2", "id-2": "id-1"}[c.UserID]}}, c.Conflicts[0])
	}

	require.NoError(t, south.controllers[0].SetAttribute(south.ids[0][0], "sAMAccountName", "u1-south"))
	require.NoError(t, south.controllers[0].SetAttribute(south.ids[0][0], "mail", "u1-south@x"))
	report, err = s.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 2, report.Counts().Modified, "told apart, both are written")
	one, _ := store.Get("id-1")
	two, _ := store.Get("id-2")
	assert.Equal(t, []string{"u1", "u1-south"}, []string{one.Username, two.Username})
	assert.Equal(t, ObjectID(north.ids[0][0]), one.ObjectID)
}

func TestOneDomainThatFailsFailsThePlan(t *testing.T) {
	for name, fault := range map[string]fakead.Fault{
		"dead":              {Kind: fakead.FaultCut, Op: fakead.OpConnect},
		"midway":            {Kind: fakead.FaultCut, Op: fakead.OpSearch, Match: "objectGUID"},
		"no tombstones":     {Kind: fakead.FaultResult, Op: fakead.OpSearch, Match: "isDeleted=TRUE", Code: 51},
		"a refused account": {Kind: fakead.FaultResult, Op: fakead.OpBind, Code: 49},
	} {
		t.Run(name, func(t *testing.T) {
			north, south, joined := forest(t)
			require.NoError(t, north.controllers[0].Delete(north.ids[0][1]))
			store := hosted(north.ids[0][0], north.ids[0][1], south.ids[0][2])
			before := store.snapshot()
			south.controllers[0].Order(fault)
			for _, rules := range []Rules{{}, {Import: true}} {
				s, err := New(joined, store, &Options{Rules: rules, Limits: Limits{MaxRemovalRatio: -1}})
				require.NoError(t, err)
				_, err = s.Sync(t.Context())
				require.ErrorIs(t, err, ErrIncomplete)
				assert.Equal(t, before, store.snapshot(), "not even the north's leaver")
			}
		})
	}
}

// A move between the domains of a forest keeps the objectGUID. Where it came
// from there is a tombstone of it, which alone would prove a deletion.
func TestAMoveBetweenDomainsIsNoDeletion(t *testing.T) {
	north, south, joined := forest(t)
	moved := north.ids[0][1]
	people := "OU=People," + south.controllers[0].BaseDN()
	_, err := south.controllers[0].AddUser(fakead.User{ID: moved, Parent: people, Username: "moved", FirstName: "F", LastName: "L", Email: "moved@x", Phone: "1"})
	require.NoError(t, err)
	require.NoError(t, north.controllers[0].Delete(moved))

	store := hosted(moved)
	s, err := New(joined, store, &Options{Limits: Limits{MaxRemovalRatio: -1}})
	require.NoError(t, err)
	report, err := s.Sync(t.Context())
	require.NoError(t, err)
	assert.Zero(t, report.Counts().Deleted)
	user, there := store.Get("id-1")
	require.True(t, there)
	assert.Equal(t, "moved", user.Username)

	t.Run("to a part that is not synchronised", func(t *testing.T) {
		require.NoError(t, south.controllers[0].Move(moved, "CN=Users,"+south.controllers[0].BaseDN()))
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		assert.Zero(t, report.Counts().Deleted)
		_, there := store.Get("id-1")
		assert.True(t, there, "told, and kept")
	})
	t.Run("and deleted there", func(t *testing.T) {
		require.NoError(t, south.controllers[0].Delete(moved))
		report, err := s.Sync(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, report.Counts().Deleted, "now it is")
	})
}
