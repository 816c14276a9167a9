package adsync_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/fakead"
)

// TestMatrix runs every kind of reading through every fault at every stage. Each
// case must end with the truth or with an error that says what to do, leave
// nothing open, and never delete anybody who is not proven to be deleted.
func TestMatrix(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of domain controllers")
	}
	before := goleak.IgnoreCurrent()
	truth := newTruth(t)
	var cases []matrixCase
	for i, c := range matrix() {
		if i%matrixShare == 0 {
			cases = append(cases, c)
		}
	}
	// A case that waits for a silent controller needs no processor, but has a deadline;
	// the others take what they need.
	waiting, working := split(cases)
	runMatrix(t, truth, working, 4)
	runMatrix(t, truth, waiting, 64)
	goleak.VerifyNone(t, before)
	count := fmt.Sprintf("%d cases: %d faults, %d stages, %d ways to read", len(cases), len(matrixFaults), len(matrixStages), len(matrixModes))
	t.Log(count)
	fmt.Println("TestMatrix:", count)
}

// runMatrix runs some cases at once and then reports on each.
func runMatrix(t *testing.T, truth *truth, cases []matrixCase, atOnce int) {
	problems := make([][]string, len(cases))
	var running sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range cases {
		free <- struct{}{}
		running.Go(func() {
			problems[i] = cases[i].run(truth)
			<-free
		})
	}
	running.Wait()
	for i := range cases {
		t.Run(cases[i].String(), func(t *testing.T) {
			for _, problem := range problems[i] {
				t.Error(problem)
			}
		})
	}
}

// The world of the matrix. All servers hold the same one.
const (
	matrixPeople   = 25 // alive and in scope, from number 1
	matrixMoved    = matrixPeople + 1
	matrixDeleted  = matrixPeople + 2 // and the next one
	matrixPurged   = matrixPeople + 4 // without a tombstone
	matrixReplaced = matrixPeople + 5 // deleted; another account has its name
	matrixLinked   = matrixReplaced
	matrixNewcomer = matrixReplaced + 1
	matrixPage     = 10

	matrixSecret = "S3rvice-of-the-matrix!"
	matrixNaming = "CN=Ada Lovelace\x1b[31m" // what a server may say in its own words
)

func matrixID(n int) fakead.GUID { return fakead.GUID{0: 0xad, 15: byte(n)} }

func matrixUser(n int) string { return fmt.Sprintf("user-%02d", n) }

func matrixRow(n int) string { return fmt.Sprintf("id-%02d", n) }

// newMatrixDC fills one domain controller.
func newMatrixDC() (*fakead.Server, error) {
	now := matrixDeletion // on each controller alike
	dc, err := fakead.Start(fakead.Config{Now: func() time.Time { return now }})
	if err != nil {
		return nil, err
	}
	people, err := dc.AddOU("People", "")
	errs := []error{err}
	add := func(n int, name string) {
		_, err := dc.AddUser(fakead.User{Parent: people, ID: matrixID(n), Name: fmt.Sprintf("cn%d", n), Username: name,
			FirstName: "First", LastName: "Last", Email: fmt.Sprintf("%s-%d@x.example", name, n), Phone: fmt.Sprint(n)})
		errs = append(errs, err)
	}
	for n := 1; n <= matrixLinked; n++ {
		add(n, matrixUser(n))
	}
	_, err = dc.AddUser(fakead.User{Username: "svc", UPN: "svc@ad.example.test", Password: matrixSecret})
	errs = append(errs, err,
		dc.GrantTombstones("svc@ad.example.test"),
		dc.Disable(matrixID(3)),
		dc.Move(matrixID(matrixMoved), "CN=Users,"+dc.BaseDN()),
		dc.Delete(matrixID(matrixDeleted)), dc.Delete(matrixID(matrixDeleted+1)),
		dc.Delete(matrixID(matrixPurged)), dc.Purge(matrixID(matrixPurged)),
		dc.Delete(matrixID(matrixReplaced)))
	add(matrixNewcomer, matrixUser(matrixReplaced))
	now = matrixNow()
	return dc, errors.Join(errs...)
}

// matrixDeletion is when accounts were deleted, and matrixNow is 31 days later.
var matrixDeletion = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func matrixNow() time.Time { return matrixDeletion.Add(31 * day) }

// matrixUsers are the host's users before the sync: linked to the first accounts,
// with an old phone number and, for two, each other's email; and a local one.
func matrixUsers() []adsync.User {
	users := []adsync.User{{ID: "local", Profile: adsync.Profile{Username: "root"}}}
	for n := 1; n <= matrixLinked; n++ {
		u := adsync.User{ID: matrixRow(n), ObjectID: adsync.ObjectID(matrixID(n)), Profile: adsync.Profile{
			Username: matrixUser(n), FirstName: "First", LastName: "Last", Email: fmt.Sprintf("%s-%d@x.example", matrixUser(n), n), Phone: fmt.Sprint(n)}}
		switch n {
		case 5, 15, 25: // one on each page
			u.Phone = "old"
		case 8:
			u.Email = "user-18-18@x.example"
		case 18:
			u.Email = "user-08-8@x.example"
		case matrixDeleted:
			u.Status, u.DeactivatedAt = adsync.StatusDeactivated, adsync.MomentOf(matrixDeletion)
		case matrixDeleted + 1:
			u.Status, u.DeactivatedAt = adsync.StatusDeactivated, adsync.MomentOf(matrixDeletion.Add(20*day))
		}
		users = append(users, u)
	}
	return users
}

// leaver tells who may be deleted: their tombstones are there, and where they wait, one
// has waited for long enough.
func (m matrixMode) leaver(id string) bool {
	if m == syncLeaving {
		return id == matrixRow(matrixDeleted)
	}
	return slices.Contains([]string{matrixRow(matrixDeleted), matrixRow(matrixDeleted + 1), matrixRow(matrixReplaced)}, id)
}

// truth is what each way to read finds where nothing is wrong.
type truth map[matrixMode]outcome

func newTruth(t *testing.T) *truth {
	t.Helper()
	all := truth{}
	for _, mode := range matrixModes {
		w, err := newMatrixWorld(matrixCase{mode: mode}, time.Minute)
		require.NoError(t, err)
		all[mode] = w.read(t.Context())
		require.NoError(t, w.close())
		require.NoError(t, all[mode].err, mode)
	}
	assert.Len(t, all[listing].entries, matrixPeople+1)
	states := map[adsync.State]int{}
	for _, e := range all[lookup].entries {
		states[e.State]++
	}
	assert.Equal(t, map[adsync.State]int{adsync.StatePresent: matrixPeople, adsync.StateOutOfScope: 1, adsync.StateDeleted: 3, adsync.StateUnproven: 1}, states)
	assert.Len(t, all[search].entries, matrixPeople+1)
	assert.True(t, all[check].access.Tombstones)
	assert.Empty(t, all[check].access.Missing)
	for _, mode := range []matrixMode{syncListing, syncLookup, apply} {
		after := maps.Clone(all[mode].users)
		if mode == syncListing {
			assert.Contains(t, after, "1", "the newcomer")
			delete(after, "1")
		}
		for _, u := range matrixUsers() {
			if !mode.leaver(u.ID) {
				if len(u.Phone) == 3 {
					u.Phone = fmt.Sprint(map[string]int{"id-05": 5, "id-15": 15, "id-25": 25}[u.ID])
				}
				switch u.ID {
				case "id-08":
					u.Email = "user-08-8@x.example"
				case "id-18":
					u.Email = "user-18-18@x.example"
				}
				assert.Equal(t, u, after[u.ID], mode)
				delete(after, u.ID)
			}
		}
		assert.Empty(t, after, mode)
	}
	after := all[syncLeaving].users
	assert.NotContains(t, after, matrixRow(matrixDeleted), "its time has come")
	assert.Equal(t, matrixWorldBefore[matrixRow(matrixDeleted+1)], after[matrixRow(matrixDeleted+1)], "it waits")
	assert.Equal(t, adsync.StatusDeactivated, after[matrixRow(matrixReplaced)].Status, "it begins to wait")
	assert.Equal(t, adsync.MomentOf(matrixNow()), after[matrixRow(matrixReplaced)].DeactivatedAt)
	return &all
}

// matrixMode is a way to read the directory.
type matrixMode string

const (
	listing     matrixMode = "listing"         // Entries
	lookup      matrixMode = "look-up"         // Find
	search      matrixMode = "search"          // Search
	check       matrixMode = "check"           // Check
	syncListing matrixMode = "sync by listing" // Sync, which imports and so lists
	syncLookup  matrixMode = "sync by look-up" // Sync
	syncLeaving matrixMode = "sync of leavers" // Sync by look-up, where they wait before they are removed
	apply       matrixMode = "apply"           // Apply of a plan made before the fault
)

var matrixModes = []matrixMode{listing, lookup, search, check, syncListing, syncLookup, syncLeaving, apply}

// matrixStage is when the fault strikes, and which ways of reading come by there.
type matrixStage struct {
	name   string
	at     fakead.Fault
	modes  []matrixMode
	nobody []matrixMode // of those, who finds nobody there
	paged  bool         // a search with pages
	plain  bool         // only over StartTLS
	middle bool         // not the first page
}

const (
	listingText    = ",dc=test (samaccounttype"
	inScopeText    = "(&(samaccounttype"
	outOfScopeText = "(&(|(objectguid"
	tombstoneText  = "(&(isdeleted=true)"
	searchText     = "(displayname="
)

var matrixStages = []matrixStage{
	{name: "connect", at: fakead.Fault{Op: fakead.OpConnect}, modes: matrixModes},
	{name: "StartTLS", at: fakead.Fault{Op: fakead.OpStartTLS}, modes: matrixModes, plain: true},
	{name: "bind", at: fakead.Fault{Op: fakead.OpBind}, modes: matrixModes},
	{name: "rootDSE", at: fakead.Fault{Op: fakead.OpSearch, Match: "(objectclass=*)"}, modes: matrixModes},
	{name: "first page", at: fakead.Fault{Op: fakead.OpSearch, Page: 1, Match: listingText}, modes: []matrixMode{listing, syncListing}, paged: true},
	{name: "middle page", at: fakead.Fault{Op: fakead.OpSearch, Page: 2, Match: listingText}, modes: []matrixMode{listing, syncListing}, paged: true, middle: true},
	{name: "last page", at: fakead.Fault{Op: fakead.OpSearch, Page: 3, Match: listingText}, modes: []matrixMode{listing, syncListing}, paged: true, middle: true},
	{name: "look-up, first page", at: fakead.Fault{Op: fakead.OpSearch, Page: 1, Match: inScopeText}, modes: []matrixMode{lookup, syncLookup, syncLeaving, syncListing, apply}, nobody: []matrixMode{syncListing, apply}, paged: true},
	{name: "look-up, last page", at: fakead.Fault{Op: fakead.OpSearch, Page: 3, Match: inScopeText}, modes: []matrixMode{lookup, syncLookup, syncLeaving}, paged: true, middle: true},
	{name: "out of scope", at: fakead.Fault{Op: fakead.OpSearch, Match: outOfScopeText}, modes: []matrixMode{lookup, syncLookup, syncLeaving, syncListing, apply}, nobody: []matrixMode{apply}, paged: true},
	{name: "tombstones", at: fakead.Fault{Op: fakead.OpSearch, Match: tombstoneText}, modes: []matrixMode{lookup, syncLookup, syncLeaving, syncListing, apply}, paged: true},
	{name: "search", at: fakead.Fault{Op: fakead.OpSearch, Match: searchText}, modes: []matrixMode{search}, paged: true},
	{name: "Check, tombstones", at: fakead.Fault{Op: fakead.OpSearch, Match: "cn=deleted objects"}, modes: []matrixMode{check, syncLookup, syncListing}},
	{name: "Check, sample", at: fakead.Fault{Op: fakead.OpSearch, Match: listingText}, modes: []matrixMode{check, syncLookup}, paged: true},
	{name: "every search", at: fakead.Fault{Op: fakead.OpSearch, Match: ",dc=test ("}, modes: matrixModes, paged: true},
}

// verdict is how a case must end.
type verdict int

const (
	fails  verdict = iota // with an error that says so
	right                 // as if nothing had happened
	hidden                // somehow, as the server lies: but nobody is deleted who is not proven to be
)

// matrixFault is one misbehaviour.
type matrixFault struct {
	name    string
	fault   fakead.Fault
	at      func(matrixStage) bool
	verdict verdict
	says    string // of the error

	startTLSSays string // of the error in StartTLS, if that differs

	waits   bool // for the timeout
	entries bool // needs some that it can spoil
}

func anywhere(s matrixStage) bool { return s.name != "every search" }

func requests(s matrixStage) bool { return anywhere(s) && s.name != "connect" }

func searches(s matrixStage) bool { return requests(s) && s.at.Op == fakead.OpSearch }

func pages(s matrixStage) bool { return s.paged }

func laterPages(s matrixStage) bool { return s.paged && s.middle }

func noStartTLS(s matrixStage) bool { return requests(s) && s.name != "StartTLS" }

func only(name string) func(matrixStage) bool {
	return func(s matrixStage) bool { return s.name == name }
}

const (
	saysClosed = "closed the connection; look at the controller"
	saysNoWord = "no answer within"
	saysLimit  = "use a smaller PageSize or an indexed Filter"
)

var matrixFaults = []matrixFault{
	{name: "cut", fault: fakead.Fault{Kind: fakead.FaultCut}, at: anywhere, says: saysClosed},
	{name: "silence", fault: fakead.Fault{Kind: fakead.FaultSilence}, at: anywhere, says: saysNoWord, waits: true},
	{name: "cut at byte 0", fault: fakead.Fault{Kind: fakead.FaultCutBytes}, at: requests, says: saysClosed},
	{name: "cut at byte 1", fault: fakead.Fault{Kind: fakead.FaultCutBytes, After: 1}, at: requests, says: saysClosed},
	{name: "cut at byte 13", fault: fakead.Fault{Kind: fakead.FaultCutBytes, After: 13}, at: requests, says: saysClosed},
	{name: "cut at byte 50", fault: fakead.Fault{Kind: fakead.FaultCutBytes, After: 50}, at: searches, says: saysClosed},
	{name: "cut after the first entry", fault: fakead.Fault{Kind: fakead.FaultCutEntries, After: 1}, at: searches, says: saysClosed, entries: true},
	{name: "slow drip", fault: fakead.Fault{Kind: fakead.FaultDrip, Delay: time.Second}, at: requests, says: saysNoWord, waits: true},
	{name: "wrong message ID", fault: fakead.Fault{Kind: fakead.FaultWrongID}, at: noStartTLS, says: saysNoWord, waits: true},
	{name: "malformed", fault: fakead.Fault{Kind: fakead.FaultMalformed}, at: requests, says: "not LDAP; look at the controller", startTLSSays: "no answer to StartTLS; use ldaps://"},
	{name: "huge length", fault: fakead.Fault{Kind: fakead.FaultHugeLength}, at: requests, says: "more than 4 MiB"},

	{name: "a notice of the end", fault: fakead.Fault{Kind: fakead.FaultNotice, Code: 52}, at: requests, says: "ended the connection by its own will, with result code 52"},
	{name: "a result code of nine bytes", fault: fakead.Fault{Kind: fakead.FaultResultOctets, Text: "\x00\x00\x00\x00\x00\x00\x00\x00\x01"}, at: requests, says: "without a code that can be read"},
	{name: "a result code of no bytes", fault: fakead.Fault{Kind: fakead.FaultResultOctets}, at: requests, says: "without a code that can be read"},
	{name: "elements in elements", fault: fakead.Fault{Kind: fakead.FaultDeep, After: 1000}, at: requests, says: "more than 16 levels", startTLSSays: "no answer to StartTLS; use ldaps://"},

	{name: "busy", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 51}, at: noStartTLS, says: "busy or going down; try again later"},
	{name: "unavailable", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 52}, at: noStartTLS, says: "busy or going down; try again later"},
	{name: "time limit", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 3}, at: noStartTLS, says: saysLimit},
	{name: "size limit after some", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 4, After: 1}, at: noStartTLS, says: saysLimit},
	{name: "admin limit", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 11}, at: noStartTLS, says: saysLimit},
	{name: "referral", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 10}, at: noStartTLS, says: "belongs to another domain; set BaseDN"},
	{name: "its own words", fault: fakead.Fault{Kind: fakead.FaultResult, Code: 80, Text: matrixNaming}, at: noStartTLS, says: "look at the controller's log"},

	{name: "StartTLS refused", fault: fakead.Fault{Kind: fakead.FaultStartTLSRefused}, at: only("StartTLS"), says: "refused StartTLS; use ldaps://"},
	{name: "StartTLS broken off", fault: fakead.Fault{Kind: fakead.FaultStartTLSBroken}, at: only("StartTLS"), says: saysClosed},

	{name: "no paging control", fault: fakead.Fault{Kind: fakead.FaultNoPagingControl}, at: pages, says: "must support paged results"},
	{name: "paging unknown", fault: fakead.Fault{Kind: fakead.FaultNoControl, Text: "1.2.840.113556.1.4.319"}, at: pages, says: "must support paged results"},
	{name: "cookie refused", fault: fakead.Fault{Kind: fakead.FaultCookieRefused}, at: laterPages, says: "lost its place in the listing"},
	{name: "page repeated", fault: fakead.Fault{Kind: fakead.FaultRepeatPage, Times: 1}, at: laterPages, says: "the same page again"},
	{name: "page repeated for ever", fault: fakead.Fault{Kind: fakead.FaultRepeatPage}, at: laterPages, says: "the same page again"},
	{name: "empty pages for ever", fault: fakead.Fault{Kind: fakead.FaultEmptyPage}, at: func(s matrixStage) bool { return pages(s) && s.at.Page == 0 && s.name != "search" }, says: "empty pages in a row"},
	{name: "objectGUID withheld", fault: fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"objectGUID"}}, at: pages, says: "let the service account read that attribute", entries: true},
	{name: "rootDSE hidden", fault: fakead.Fault{Kind: fakead.FaultHide}, at: only("rootDSE"), says: "is this a domain controller?"},

	{name: "an empty page", fault: fakead.Fault{Kind: fakead.FaultEmptyPage, Times: 1}, at: func(s matrixStage) bool { return pages(s) && s.name != "search" && s.name != "every search" }, verdict: right},
	{name: "an entry twice", fault: fakead.Fault{Kind: fakead.FaultRepeatEntry}, at: func(s matrixStage) bool { return pages(s) && s.name != "search" && s.name != "every search" }, verdict: right},
	{name: "a quick drip", fault: fakead.Fault{Kind: fakead.FaultDrip}, at: requests, verdict: right},
	{name: "ranges", fault: fakead.Fault{Kind: fakead.FaultRange, Attributes: []string{"mail", "telephoneNumber", "sAMAccountName"}}, at: pages, verdict: right},

	{name: "everything hidden", fault: fakead.Fault{Kind: fakead.FaultHide}, at: pages, verdict: hidden},
	{name: "hidden once", fault: fakead.Fault{Kind: fakead.FaultHide, Times: 1}, at: pages, verdict: hidden},
	{name: "some hidden", fault: fakead.Fault{Kind: fakead.FaultHide, Objects: []fakead.GUID{matrixID(2), matrixID(12), matrixID(22), matrixID(matrixMoved), matrixID(matrixDeleted)}}, at: pages, verdict: hidden},
	{name: "page skipped", fault: fakead.Fault{Kind: fakead.FaultSkipPage}, at: pages, verdict: hidden},
	{name: "mail withheld", fault: fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"mail"}}, at: pages, verdict: hidden},
	{name: "mail of one withheld", fault: fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"mail"}, Objects: []fakead.GUID{matrixID(15)}}, at: pages, verdict: hidden},
	{name: "names withheld", fault: fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"sAMAccountName", "userAccountControl"}}, at: pages, verdict: hidden},
	{name: "isDeleted withheld", fault: fakead.Fault{Kind: fakead.FaultWithhold, Attributes: []string{"isDeleted"}}, at: only("tombstones"), verdict: hidden},
	{name: "no control for tombstones", fault: fakead.Fault{Kind: fakead.FaultNoControl, Text: "1.2.840.113556.1.4.417"}, at: only("rootDSE"), verdict: hidden},
	{name: "no control against referrals", fault: fakead.Fault{Kind: fakead.FaultNoControl, Text: "1.2.840.113556.1.4.1339"}, at: only("rootDSE"), verdict: right},
}

// matrixCase is one cell.
type matrixCase struct {
	fault    matrixFault
	stage    matrixStage
	mode     matrixMode
	startTLS bool
	second   bool // other controllers are well
}

func (c matrixCase) String() string {
	name := string(c.mode) + "/" + c.stage.name + "/" + c.fault.name
	if c.startTLS {
		name += "/StartTLS"
	}
	if c.second {
		name += "/with another controller"
	}
	return name
}

// matrix is all cases. Every third is over StartTLS, and so is whatever happens
// there.
func matrix() (all []matrixCase) {
	for _, fault := range matrixFaults {
		for _, stage := range matrixStages {
			if !fault.at(stage) {
				continue
			}
			for _, mode := range stage.modes {
				if !fault.touches(stage, mode) {
					continue
				}
				c := matrixCase{fault: fault, stage: stage, mode: mode, startTLS: stage.plain || len(all)%3 == 0}
				all = append(all, c)
				if fault.verdict == fails && slices.Contains([]matrixMode{syncListing, syncLookup, apply}, mode) {
					c.second = true
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// touches leaves out what could not show: a fault of entries where there are
// none, and pages without an end for Search, which asks for one, and for leavers, of whom
// the first search has none.
func (f matrixFault) touches(s matrixStage, m matrixMode) bool {
	onePage := m == search || m == syncLeaving && s.name == "every search"
	return !(f.entries && slices.Contains(s.nobody, m)) && !(f.fault.Kind == fakead.FaultEmptyPage && onePage)
}

func split(cases []matrixCase) (waiting, working []matrixCase) {
	for _, c := range cases {
		if c.fault.waits {
			waiting = append(waiting, c)
		} else {
			working = append(working, c)
		}
	}
	return waiting, working
}

// run returns what is wrong with the end of the case. A case that was too slow on a busy
// machine, so that something other than the fault timed out, gets more time.
func (c matrixCase) run(truth *truth) (problems []string) {
	timeout := 20 * time.Second
	if c.fault.waits {
		timeout = 400 * time.Millisecond
	}
	for {
		problems = c.try(truth, timeout)
		if len(problems) == 0 || timeout > 10*time.Second {
			return problems
		}
		timeout *= 5
	}
}

func (c matrixCase) try(truth *truth, timeout time.Duration) (problems []string) {
	w, err := newMatrixWorld(c, timeout)
	if err != nil {
		return []string{err.Error()}
	}
	// Some requests may each take the timeout, and nothing may take longer.
	ctx, cancel := context.WithTimeout(context.Background(), 10*timeout)
	defer cancel()
	got := w.read(ctx)
	if ctx.Err() != nil {
		problems = append(problems, "it waited beyond the deadline")
	}
	problems = append(problems, got.judge(c, (*truth)[c.mode])...)
	if w.controllers[0].Struck() == 0 {
		problems = append(problems, "the fault never struck: the case shows nothing")
	}
	return append(problems, w.leftOpen()...)
}

// matrixWorld is what one case runs in.
type matrixWorld struct {
	matrixCase
	controllers []*fakead.Server
	dir         *activedirectory.Directory
	store       *adsync.MemoryStore
}

func newMatrixWorld(c matrixCase, timeout time.Duration) (w *matrixWorld, err error) {
	w = &matrixWorld{matrixCase: c, store: adsync.NewMemoryStore(matrixUsers()...)}
	cfg := activedirectory.Config{Bind: activedirectory.SimpleBind("svc@ad.example.test", matrixSecret), PageSize: matrixPage, StartTLS: c.startTLS, Timeout: timeout}
	count := 1
	if c.second {
		count = 3 // the one that reads, and one that bears it out
	}
	for range count {
		dc, err := w.newController()
		if err != nil {
			return nil, err
		}
		w.controllers = append(w.controllers, dc)
		cfg.URLs = append(cfg.URLs, map[bool]string{false: dc.URL(), true: dc.PlainURL()}[c.startTLS])
	}
	roots := w.controllers[0].RootCAs()
	for _, dc := range w.controllers {
		roots.AppendCertsFromPEM(dc.CACert())
	}
	cfg.TLS, cfg.BaseDN = &tls.Config{RootCAs: roots}, "OU=People,"+w.controllers[0].BaseDN()
	w.dir, err = activedirectory.New(cfg)
	return w, err
}

// newController is the first of the domain, or another, with a name of its own.
func (w *matrixWorld) newController() (*fakead.Server, error) {
	if len(w.controllers) == 0 {
		return newMatrixDC()
	}
	return w.controllers[0].AddController()
}

// outcome is how the reading ended.
type outcome struct {
	err     error
	entries map[adsync.ObjectID]adsync.Entry
	access  adsync.Access
	users   map[string]adsync.User // after a sync
}

// order lets the fault wait for its moment.
func (w *matrixWorld) order() {
	if w.fault.fault.Kind == "" {
		return
	}
	f := w.fault.fault
	f.Op, f.Page, f.Match = w.stage.at.Op, w.stage.at.Page, w.stage.at.Match
	w.controllers[0].Order(f)
}

func (w *matrixWorld) read(ctx context.Context) (o outcome) {
	if w.mode != apply {
		w.order()
	}
	switch w.mode {
	case listing:
		o.entries, o.err = byID(w.dir.Entries(ctx))
	case lookup:
		var ids []adsync.ObjectID
		for n := 1; n <= matrixLinked; n++ {
			ids = append(ids, adsync.ObjectID(matrixID(n)))
		}
		o.entries, o.err = byID(w.dir.Find(ctx, ids))
	case search:
		var found []adsync.Entry
		found, o.err = w.dir.Search(ctx, "user-", 100)
		o.entries = map[adsync.ObjectID]adsync.Entry{}
		for _, e := range found {
			o.entries[e.ObjectID] = e
		}
	case check:
		o.access, o.err = w.dir.Inspect(ctx)
		o.access.Controller = "" // the port differs
	default:
		o.err = w.sync(ctx)
		o.users = w.users()
	}
	return o
}

func (w *matrixWorld) sync(ctx context.Context) error {
	rules := adsync.Rules{Import: w.mode == syncListing}
	if w.mode == syncLeaving {
		rules.RemoveAfter = 30 * day
	}
	syncer, err := adsync.New(w.dir, w.store, &adsync.Options{Rules: rules})
	if err != nil {
		return err
	}
	syncer.SetClock(matrixNow)
	w.store.SetClock(matrixNow)
	if w.mode != apply {
		report, err := syncer.Sync(ctx)
		if err == nil {
			err = report.Err()
		}
		return err
	}
	plan, err := syncer.Plan(ctx)
	if err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	w.order()
	report, err := syncer.Apply(ctx, plan)
	if err == nil && len(report.Results) != len(plan.Changes) {
		err = errors.New("the report lacks results")
	}
	return err
}

func (w *matrixWorld) users() map[string]adsync.User {
	users := map[string]adsync.User{}
	for u, err := range w.store.Users(context.Background()) {
		if err == nil {
			users[u.ID] = u
		}
	}
	return users
}

func byID(entries iter.Seq2[adsync.Entry, error]) (map[adsync.ObjectID]adsync.Entry, error) {
	found := map[adsync.ObjectID]adsync.Entry{}
	for e, err := range entries {
		if err != nil {
			return nil, err
		}
		found[e.ObjectID] = e
	}
	return found, nil
}

func (w *matrixWorld) close() (err error) {
	for _, dc := range w.controllers {
		err = errors.Join(err, dc.Close())
	}
	return err
}

// leftOpen closes the controllers, and reports connections that were still
// there. The server notices a moment later that a client has hung up.
func (w *matrixWorld) leftOpen() (problems []string) {
	for i, dc := range w.controllers {
		for wait := 0; dc.Connections() > 0 && wait < 2000; wait++ {
			time.Sleep(5 * time.Millisecond)
		}
		if n := dc.Connections(); n > 0 {
			problems = append(problems, fmt.Sprintf("controller %d: %d connections are left open", i, n))
		}
	}
	if err := w.close(); err != nil {
		problems = append(problems, err.Error())
	}
	return problems
}

// judge returns what is wrong with the outcome.
func (o outcome) judge(c matrixCase, truth outcome) (problems []string) {
	if o.err != nil {
		problems = judgeText(o.err.Error())
		if o.users != nil && !cmp.Equal(matrixWorldBefore, o.users) {
			problems = append(problems, "there was an error, and yet something was written")
		}
	}
	verdict := c.fault.verdict
	if c.second {
		verdict = right
	}
	switch verdict {
	case fails:
		says := c.fault.says
		if c.stage.plain && c.fault.startTLSSays != "" {
			says = c.fault.startTLSSays
		}
		if o.err == nil {
			problems = append(problems, "there is no error")
		} else if !strings.Contains(o.err.Error(), says) {
			problems = append(problems, fmt.Sprintf("the error does not say %q: %v", says, o.err))
		}
	case right:
		if o.err != nil {
			problems = append(problems, "it failed: "+o.err.Error())
		} else if d := cmp.Diff(truth, o, cmp.AllowUnexported(outcome{}), cmpopts.IgnoreFields(outcome{}, "err")); d != "" {
			problems = append(problems, "it is not as where nothing is wrong (-truth +got):\n"+d)
		}
	case hidden:
		if o.err == nil && o.users != nil {
			problems = append(problems, o.judgeUsers(c.mode, truth.users)...)
		}
		for id, e := range o.entries {
			if e.State == adsync.StateDeleted && truth.entries[id].State != adsync.StateDeleted {
				problems = append(problems, id.String()+" is called deleted")
			}
		}
	}
	return problems
}

// matrixWorldBefore is the store before any sync.
var matrixWorldBefore = func() map[string]adsync.User {
	users := map[string]adsync.User{}
	for _, u := range matrixUsers() {
		users[u.ID] = u
	}
	return users
}()

// judgeUsers holds the store to what a server that lies may bring about.
func (o outcome) judgeUsers(mode matrixMode, truth map[string]adsync.User) (problems []string) {
	for id, was := range matrixWorldBefore {
		now, there := o.users[id]
		switch {
		case !there && !mode.leaver(id):
			problems = append(problems, id+" was deleted, wrongly")
		case there && now == truth[id]:
		case there && (now.Status != was.Status || now.DeactivatedAt != was.DeactivatedAt):
			problems = append(problems, id+" has another status")
		case there && now.ObjectID != was.ObjectID:
			problems = append(problems, id+" has another link")
		case there && now.Username == "":
			problems = append(problems, id+" has lost its name")
		case there && now.Profile != was.Profile && now.Profile != truth[id].Profile:
			withheld := truth[id].Profile
			withheld.Email = ""
			if now.Profile != withheld {
				problems = append(problems, id+" has details that nobody has")
			}
		}
	}
	return problems
}

// judgeText holds an error to what people and terminals may see.
func judgeText(text string) (problems []string) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "adsync: ") {
			problems = append(problems, "an error does not begin with adsync: "+line)
		}
	}
	for _, secret := range []string{matrixSecret, "svc", "Ada", "user-", "x.example"} {
		if strings.Contains(text, secret) {
			problems = append(problems, "the error tells of "+secret+": "+text)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }) {
		problems = append(problems, fmt.Sprintf("the error has control characters: %q", text))
	}
	return problems
}

// A controller that was restored from a backup has forgotten whom it created
// since, and shows those alive whom it had deleted. Nobody is deleted for that.
func TestMatrix_ControllerFromABackup(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	dc, err := fakead.Start(fakead.Config{RecycleBin: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dc.Close()) })
	var users []adsync.User
	add := func(name string) fakead.GUID {
		id, err := dc.AddUser(fakead.User{Username: name})
		require.NoError(t, err)
		users = append(users, adsync.User{ID: name, ObjectID: adsync.ObjectID(id), Profile: adsync.Profile{Username: name}})
		return id
	}
	add("old")
	left := add("left")
	backup := dc.Snapshot()
	add("new")
	require.NoError(t, dc.Delete(left))

	sync := func(store *adsync.MemoryStore, rules adsync.Rules) *adsync.Report {
		t.Helper()
		dir, err := activedirectory.New(activedirectory.Config{URLs: []string{dc.URL()}, TLS: dc.ClientTLS(), Bind: activedirectory.SimpleBind(dc.AdminDN(), dc.AdminPassword())})
		require.NoError(t, err)
		syncer, err := adsync.New(dir, store, &adsync.Options{Rules: rules})
		require.NoError(t, err)
		report, err := syncer.Sync(t.Context())
		require.NoError(t, err)
		return report
	}
	assert.Equal(t, 1, sync(adsync.NewMemoryStore(users...), adsync.Rules{}).Counts().Deleted, "before it was restored")
	dc.RestoreBackup(backup)
	for _, rules := range []adsync.Rules{{}, {Import: true}} {
		store := adsync.NewMemoryStore(users...)
		assert.Zero(t, sync(store, rules).Counts().Deleted)
		for _, u := range users {
			now, there := store.Get(u.ID)
			require.True(t, there)
			assert.Equal(t, u, now)
		}
	}
}
