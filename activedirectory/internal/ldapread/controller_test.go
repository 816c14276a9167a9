package ldapread

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync/internal/adattr"
	"github.com/go-adsync/adsync/internal/fakead"
)

const servicePassword = "S3rvice-of-the-test!"

// domain is a domain controller with a service account and one OU of people.
type domain struct {
	*fakead.Server
	t      *testing.T
	people string // the OU's DN
	svc    fakead.GUID
}

func newDomain(t *testing.T, cfg fakead.Config) *domain {
	t.Helper()
	// Registered first, so it runs last: nothing may be left of server and client.
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	dc, err := fakead.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	d := &domain{Server: dc, t: t}
	d.people, err = dc.AddOU("People", "")
	require.NoError(t, err)
	d.svc, err = dc.AddUser(fakead.User{Username: "svc", UPN: "svc@ad.example.test", Password: servicePassword})
	require.NoError(t, err)
	return d
}

// add adds people named u1, u2, … to the OU.
func (d *domain) add(count int) []fakead.GUID {
	d.t.Helper()
	ids := make([]fakead.GUID, count)
	for i := range ids {
		n := strconv.Itoa(i + 1)
		id, err := d.AddUser(fakead.User{Parent: d.people, Username: "u" + n, FirstName: "First" + n, LastName: "Last" + n,
			Email: "u" + n + "@ad.example.test", Phone: "+1 " + n})
		require.NoError(d.t, err)
		ids[i] = id
	}
	return ids
}

func (d *domain) server(url string) Server {
	d.t.Helper()
	s, err := ParseURL(url, true)
	require.NoError(d.t, err)
	return s
}

// config reads the OU with the service account.
func (d *domain) config() *Config {
	cfg := testConfig()
	cfg.BaseDN, cfg.TLS, cfg.Auth = d.people, d.ClientTLS(), simple("svc@ad.example.test", servicePassword)
	return cfg
}

func simple(user, password string) Auth {
	return func(context.Context) (Attempt, error) {
		return Attempt{Bind: func(_ context.Context, _ string, c *ldap.Conn) error { return c.Bind(user, password) }}, nil
	}
}

// open is a controller that is closed with the test, before the server is.
func (d *domain) open(cfg *Config) *Controller { return d.openAt(cfg, d.URL()) }

func (d *domain) openAt(cfg *Config, url string) *Controller {
	c := NewController(cfg, d.server(url))
	d.t.Cleanup(c.Close)
	return c
}

func list(ctx context.Context, c *Controller) (accounts []Account, err error) {
	err = c.Entries(ctx, func(a *Account) bool {
		accounts = append(accounts, *a)
		return true
	})
	return accounts, err
}

func look(ctx context.Context, c *Controller, ids ...fakead.GUID) (accounts []Account, err error) {
	guids := make([]adattr.GUID, len(ids))
	for i, id := range ids {
		guids[i] = adattr.GUID(id)
	}
	err = c.Find(ctx, guids, func(a *Account) bool {
		accounts = append(accounts, *a)
		return true
	})
	return accounts, err
}

func names(accounts []Account) []string {
	var found []string
	for _, a := range accounts {
		found = append(found, a.Values[0])
	}
	slices.Sort(found)
	return found
}

func TestEntries_ReadsPageByPage(t *testing.T) {
	d := newDomain(t, fakead.Config{WithContact: true})
	ids := d.add(25)
	require.NoError(t, d.Disable(ids[2]))
	cfg := d.config()
	cfg.PageSize = 10
	accounts, err := list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	require.Len(t, accounts, 25)
	i := slices.IndexFunc(accounts, func(a Account) bool { return a.Values[0] == "u3" })
	want := Account{GUID: adattr.GUID(ids[2]), DN: d.DN(ids[2]), Disabled: true,
		Values: [NumValues]string{"u3", "First3", "Last3", "u3@ad.example.test", "+1 3"}}
	assert.Empty(t, cmp.Diff(want, accounts[i], cmpopts.IgnoreUnexported(Account{})))

	var pages []fakead.Request
	for _, r := range d.Requests() {
		if r.Op == fakead.OpSearch && r.PageSize > 0 {
			pages = append(pages, r)
		}
	}
	require.Len(t, pages, 3)
	for i, p := range pages {
		assert.Equal(t, i+1, p.Page)
		assert.Equal(t, 1, p.Conn)
		assert.ElementsMatch(t, []string{"objectGUID", "userAccountControl", "sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}, p.Attributes)
		assert.ElementsMatch(t, []string{ldap.ControlTypePaging, controlDomainScope}, p.Controls)
	}
}

func TestEntries_DefaultsToTheWholeDomain(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(1)
	cfg := d.config()
	cfg.BaseDN = ""
	accounts, err := list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	assert.Subset(t, names(accounts), []string{"u1", "svc", "krbtgt", "Administrator"})
}

// Whatever goes wrong on the way, a listing must never end as if it were whole.
func TestEntries_IsWholeOrAnError(t *testing.T) {
	const noAnswer, short = "no answer within", 500 * time.Millisecond
	tests := []struct {
		name  string
		fault fakead.Fault
		says  string
	}{
		{"cut before TLS", fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpConnect}, "connecting"},
		{"silent before TLS", fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpConnect}, noAnswer},
		{"cut at the bind", fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpBind}, "binding: the server closed"},
		{"silent at the bind", fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpBind}, noAnswer},
		{"unavailable at the bind", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpBind, Code: 52}, "busy"},
		{"cut at the rootDSE", fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch}, "reading the rootDSE"},
		{"cut before page 2", fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Page: 2}, "the server closed"},
		{"cut in page 2", fakead.Fault{Kind: fakead.FaultCutBytes, Op: fakead.OpSearch, Page: 2, After: 700}, "the server closed"},
		{"cut after entries", fakead.Fault{Kind: fakead.FaultCutEntries, Op: fakead.OpSearch, Page: 2, After: 3}, "the server closed"},
		{"silent at page 2", fakead.Fault{Kind: fakead.FaultSilence, Op: fakead.OpSearch, Page: 2}, noAnswer},
		{"too slow", fakead.Fault{Kind: fakead.FaultDrip, Op: fakead.OpSearch, Page: 2, Delay: 20 * time.Millisecond}, noAnswer},
		{"size limit", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 2, Code: 4, After: 3}, "cut the answer short"},
		{"time limit", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 2, Code: 3}, "cut the answer short"},
		{"busy", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 1, Code: 51}, "busy"},
		{"referral", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 1, Code: 10}, "another domain"},
		{"its own words", fakead.Fault{Kind: fakead.FaultResult, Op: fakead.OpSearch, Page: 1, Code: 80, Text: "CN=Ada Lovelace"}, "Result Code 80"},
		{"no paging control", fakead.Fault{Kind: fakead.FaultNoPagingControl, Op: fakead.OpSearch, Page: 2}, "paged results"},
		{"no paging control on the last page", fakead.Fault{Kind: fakead.FaultNoPagingControl, Op: fakead.OpSearch, Page: 3}, "paged results"},
		{"cookie refused", fakead.Fault{Kind: fakead.FaultCookieRefused, Op: fakead.OpSearch, Page: 2}, "Result Code"},
		{"a page again", fakead.Fault{Kind: fakead.FaultRepeatPage, Op: fakead.OpSearch, Page: 2, Times: 1}, "same page"},
		{"empty pages for ever", fakead.Fault{Kind: fakead.FaultEmptyPage, Op: fakead.OpSearch, Match: "OU=People"}, "empty pages"},
		{"wrong message ID", fakead.Fault{Kind: fakead.FaultWrongID, Op: fakead.OpSearch, Page: 2}, noAnswer},
		{"malformed", fakead.Fault{Kind: fakead.FaultMalformed, Op: fakead.OpSearch, Page: 2}, "reading accounts"},
		{"huge length", fakead.Fault{Kind: fakead.FaultHugeLength, Op: fakead.OpSearch, Page: 2}, "more than 4 MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			d.add(25)
			d.Order(tt.fault)
			cfg := d.config()
			cfg.PageSize = 10
			if tt.says == noAnswer {
				cfg.Timeout = short
			}
			accounts, err := list(t.Context(), d.open(cfg))
			require.ErrorContains(t, err, "adsync: ")
			assert.ErrorContains(t, err, tt.says)
			assert.NotErrorIs(t, err, ErrRefused)
			assert.NotContains(t, err.Error(), "Ada")
			assert.Less(t, len(accounts), 25)

		})
	}
}

func TestController_BeginsAnewAfterAFailure(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(25)
	cfg := d.config()
	cfg.PageSize = 10
	c := d.open(cfg)
	for _, fault := range []fakead.Fault{
		{Kind: fakead.FaultCut, Op: fakead.OpConnect}, {Kind: fakead.FaultCut, Page: 2},
		{Kind: fakead.FaultResult, Page: 2, Code: 51}, {Kind: fakead.FaultNoPagingControl, Page: 2},
	} {
		cancel := d.Order(fault)
		_, err := list(t.Context(), c)
		require.Error(t, err, fault.Kind)
		cancel()
		accounts, err := list(t.Context(), c)
		require.NoError(t, err, fault.Kind)
		assert.Len(t, accounts, 25)
	}
}

func TestEntries_PassesOnWhatIsLegal(t *testing.T) {
	t.Run("an empty page", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		d.add(25)
		d.Order(fakead.Fault{Kind: fakead.FaultEmptyPage, Op: fakead.OpSearch, Page: 2, Times: 3})
		cfg := d.config()
		cfg.PageSize = 10
		accounts, err := list(t.Context(), d.open(cfg))
		require.NoError(t, err)
		assert.Len(t, accounts, 25)
	})
	t.Run("an account twice", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		d.add(3)
		d.Order(fakead.Fault{Kind: fakead.FaultRepeatEntry, Op: fakead.OpSearch, Match: "OU=People", After: 1})
		accounts, err := list(t.Context(), d.open(d.config()))
		require.NoError(t, err)
		assert.Len(t, accounts, 4, "it is for the planner to judge")
	})
	t.Run("nobody", func(t *testing.T) {
		d := newDomain(t, fakead.Config{})
		accounts, err := list(t.Context(), d.open(d.config()))
		require.NoError(t, err)
		assert.Empty(t, accounts)
	})
}

func TestEntries_WantsTheObjectGUID(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(3)
	require.NoError(t, d.Withhold("svc@ad.example.test", "objectGUID"))
	_, err := list(t.Context(), d.open(d.config()))
	assert.ErrorIs(t, err, errNoGUID)
}

func TestEntries_EndsWithItsContext(t *testing.T) {
	tests := []struct {
		doing  string
		silent fakead.Fault // the answer must not win the race
		plain  bool
	}{
		{"connecting", fakead.Fault{Op: fakead.OpStartTLS}, true},
		{"binding", fakead.Fault{Op: fakead.OpBind}, false},
		{"reading the rootDSE", fakead.Fault{Op: fakead.OpSearch}, false},
		{"reading accounts", fakead.Fault{Op: fakead.OpSearch, Page: 2}, false},
	}
	for _, tt := range tests {
		t.Run(tt.doing, func(t *testing.T) {
			d := newDomain(t, fakead.Config{})
			d.add(25)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			d.Before(func(r fakead.Request) {
				if r.Op == tt.silent.Op && r.Page >= tt.silent.Page {
					cancel()
				}
			})
			tt.silent.Kind = fakead.FaultSilence
			d.Order(tt.silent)
			cfg := d.config()
			cfg.PageSize, cfg.Timeout = 10, time.Hour // only the context can end it
			url := d.URL()
			if tt.plain {
				url = d.PlainURL()
			}
			_, err := list(ctx, d.openAt(cfg, url))
			require.ErrorIs(t, err, context.Canceled)
			assert.ErrorContains(t, err, tt.doing)
		})
	}
}

func TestController_SendsNothingUnderAContextThatHasEnded(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := list(ctx, d.open(d.config()))
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, d.Opened())
}

// A call that its caller stops tells nothing of the controller.
func TestController_TellsHowTheLastCallEnded(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(1)
	c := d.open(d.config())
	assert.Empty(t, c.Host(), "nobody has asked yet")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	call := func(ctx context.Context) (failed, known bool) {
		_, err := list(ctx, c)
		failed, known = c.Failed()
		if ctx == ended {
			assert.ErrorIs(t, err, context.Canceled)
		} else {
			assert.Equal(t, failed, err != nil)
		}
		return failed, known
	}
	failed, known := call(ended)
	assert.False(t, failed || known)
	failed, known = call(t.Context())
	assert.True(t, !failed && known)
	assert.Equal(t, "dc1.ad.example.test", c.Host())
	failed, _ = call(ended)
	assert.False(t, failed)
	d.Order(fakead.Fault{Kind: fakead.FaultResult, Code: 51, Page: 1, Times: 1})
	failed, _ = call(t.Context())
	assert.True(t, failed)
	failed, _ = call(ended)
	assert.True(t, failed)
	ctx, stop := context.WithCancel(t.Context())
	require.NoError(t, c.Entries(ctx, func(*Account) bool { stop(); return true }), "it had all by then")
	failed, _ = c.Failed()
	assert.False(t, failed)
}

func TestEntries_SlowConsumerIsNotTimedOut(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	d.add(25)
	cfg := d.config()
	cfg.PageSize = 10
	// A busy machine may take longer than the timeout for other reasons: it then gets
	// more time.
	var count int
	var err error
	for cfg.Timeout = time.Second; cfg.Timeout < time.Minute; cfg.Timeout *= 5 {
		count = 0
		err = d.open(cfg).Entries(t.Context(), func(*Account) bool {
			if count++; count == 1 {
				time.Sleep(cfg.Timeout * 3 / 2)
			}
			return true
		})
		if err == nil {
			break
		}
	}
	require.NoError(t, err)
	assert.Equal(t, 25, count)
}

func TestEntries_StoppingEarlyLeavesNothingOpen(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(25)
	cfg := d.config()
	cfg.PageSize = 10
	c := d.open(cfg)
	for range 3 {
		count := 0
		stop := func(*Account) bool { count++; return false }
		require.NoError(t, c.Entries(t.Context(), stop))
		require.NoError(t, c.Find(t.Context(), []adattr.GUID{adattr.GUID(ids[0]), adattr.GUID(ids[1])}, stop))
		assert.Equal(t, 2, count)
	}
	assert.Equal(t, 6, d.Opened(), "what was left half read is not used again")
	assert.Panics(t, func() { _ = c.Entries(t.Context(), func(*Account) bool { panic("the host's") }) })
	assert.Eventually(t, func() bool { return d.Connections() == 0 }, time.Minute, time.Millisecond)
}

func TestCheck(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(150)
	check := func(cfg *Config) Access {
		t.Helper()
		a, err := d.open(cfg).Check(t.Context())
		require.NoError(t, err)
		return a
	}
	whole := check(d.config())
	assert.Empty(t, whole.Missing)
	assert.Equal(t, d.people, whole.BaseDN)
	assert.NotEmpty(t, whole.Controller)
	assert.False(t, whole.Tombstones)

	require.NoError(t, d.GrantTombstones("svc@ad.example.test"))
	assert.True(t, check(d.config()).Tombstones, "granted, and nothing deleted yet")
	require.NoError(t, d.Delete(ids[0]))
	assert.True(t, check(d.config()).Tombstones)
	require.NoError(t, d.RevokeTombstones("svc@ad.example.test"))
	assert.False(t, check(d.config()).Tombstones, "not granted, and one deleted")

	elsewhere := d.config()
	elsewhere.BaseDN = "OU=Nowhere," + d.BaseDN()
	assert.ElementsMatch(t, []string{"BaseDN was not found: correct it, or grant the service account List Contents and Read All Properties there"}, check(elsewhere).Missing)

	nobody := d.config()
	nobody.Filter = "(sAMAccountName=nobody)"
	require.Len(t, check(nobody).Missing, 1)
	assert.Contains(t, check(nobody).Missing[0], "no account matches")

	require.NoError(t, d.Deny("svc@ad.example.test", d.DN(ids[1]), "User-Account-Restrictions"))
	require.Len(t, check(d.config()).Missing, 1)
	assert.Contains(t, check(d.config()).Missing[0], "1 of the first 100 accounts do not show userAccountControl")
	for _, attribute := range []string{"mail", "userAccountControl"} {
		require.NoError(t, d.Withhold("svc@ad.example.test", attribute))
	}
	access := check(d.config())
	missing := access.Missing
	require.Len(t, missing, 2)
	assert.Equal(t, []string{3: missing[0], 4: ""}, access.Unread, "the email is the fourth detail")
	assert.Contains(t, missing[0], "none of the first 100 accounts shows mail")
	assert.Contains(t, missing[1], "100 of the first 100 accounts do not show userAccountControl")
}

func TestCheck_Fails(t *testing.T) {
	for _, match := range []string{"CN=Deleted Objects", "OU=People"} {
		d := newDomain(t, fakead.Config{})
		d.add(1)
		d.Order(fakead.Fault{Kind: fakead.FaultCut, Op: fakead.OpSearch, Match: match})
		_, err := d.open(d.config()).Check(t.Context())
		assert.ErrorContains(t, err, "the server closed", match)
	}
}
