package activedirectory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
)

// Replication lags, and a controller may have been restored from an old copy: one can
// have the tombstone of an account that another shows alive. So other controllers are
// asked about each tombstone before it counts as a deletion. They are asked about
// tombstoned accounts alone, and about those that are to be reactivated, which are few.

// defaultWitnesses is how many other controllers are asked.
const defaultWitnesses = 3

// oldDispute is how old a tombstone is that replication should have settled.
const oldDispute = 24 * time.Hour

// witnesses are the controllers other than the one that is read.
type witnesses struct {
	dir  *Directory
	read *ldapread.Controller
	*hearing
}

// hearing is what Inspect says of them.
type hearing struct {
	mu      sync.Mutex
	asked   []string
	silent  []string
	warning string
	unread  int // accounts whose tokenGroups cannot be read, and whose users would lose roles
}

func (d *Directory) witnessesOf(c *ldapread.Controller, h *hearing) *witnesses {
	return &witnesses{dir: d, read: c, hearing: h}
}

// find is the controller's own answer about each account, except for those that other
// controllers have to confirm: the tombstoned ones, and with confirm those that are
// present too.
func (w *witnesses) find(ctx context.Context, ids []adsync.ObjectID, confirm bool, each eachAccount) error {
	guids, err := distinct(ids)
	if err != nil || len(guids) == 0 {
		return errors.Join(err, stopped(ctx))
	}
	var doubtful []ldapread.Account
	more := true
	err = w.read.Find(ctx, guids, func(a *ldapread.Account) bool {
		if a.State == ldapread.Deleted || confirm && a.State == ldapread.Present {
			doubtful = append(doubtful, *a)
			return true
		}
		more = each(a)
		return more
	})
	if err != nil || !more || len(doubtful) == 0 {
		return err
	}
	if err := w.judge(ctx, doubtful); err != nil {
		return err
	}
	for i := range doubtful {
		if !each(&doubtful[i]) {
			break
		}
	}
	return nil
}

// judge turns the accounts that the others do not confirm into Disputed ones.
func (w *witnesses) judge(ctx context.Context, accounts []ldapread.Account) error {
	if w.dir.witnesses < 0 {
		return nil
	}
	others, all, err := w.others(ctx)
	if err != nil {
		return err
	}
	guids := make([]adattr.GUID, len(accounts))
	for i := range accounts {
		guids[i] = accounts[i].GUID
	}
	asked := distinctGUIDs(guids)
	answers := askAll(ctx, w, others, func(ctx context.Context, c *ldapread.Controller) (map[adattr.GUID]testimony, error) {
		return testify(ctx, c, asked)
	})
	if err := stopped(ctx); err != nil {
		return err
	}
	if all && isAlone(answers) {
		return nil
	}
	said, answered := sumUp(answers)
	var contradicted []adattr.GUID
	for i := range accounts {
		a := &accounts[i]
		switch {
		case !answered:
		case a.State == ldapread.Deleted && said[a.GUID].alive:
			contradicted = append(contradicted, a.GUID)
		case a.State == ldapread.Present && said[a.GUID].gone:
		default:
			continue
		}
		a.State = ldapread.Disputed
	}
	return w.warnOfOld(ctx, contradicted)
}

// others are the controllers to ask, those that failed lately last. all reports whether
// there may be more that DNS did not name.
func (w *witnesses) others(ctx context.Context) (others []ldapread.Server, all bool, err error) {
	servers, all, err := w.dir.locate(ctx)
	if err != nil {
		return nil, false, err
	}
	servers = slices.DeleteFunc(slices.Clone(servers), func(s ldapread.Server) bool { return s == w.read.Server() })
	servers = w.dir.health.order(servers)
	return servers[:min(len(servers), w.dir.witnesses)], all, nil
}

// testimony is what the other controllers say of an account.
type testimony struct {
	alive bool // one shows it
	gone  bool // one has its tombstone, or shows it disabled
}

// sumUp is what all of them say together, if one of them spoke.
func sumUp(answers []witness[map[adattr.GUID]testimony]) (said map[adattr.GUID]testimony, answered bool) {
	said = map[adattr.GUID]testimony{}
	for _, a := range answers {
		answered = answered || a.spoke
		for guid, account := range a.said {
			t := said[guid]
			said[guid] = testimony{t.alive || account.alive, t.gone || account.gone}
		}
	}
	return said, answered
}

func testify(ctx context.Context, c *ldapread.Controller, guids []adattr.GUID) (map[adattr.GUID]testimony, error) {
	accounts := make(map[adattr.GUID]testimony, len(guids))
	err := c.Find(ctx, guids, func(a *ldapread.Account) bool {
		t := accounts[a.GUID]
		switch a.State {
		case ldapread.Present, ldapread.OutOfScope:
			disabled, _ := a.IsDisabled()
			t.alive, t.gone = true, t.gone || disabled
		case ldapread.Deleted:
			t.gone = true
		}
		accounts[a.GUID] = t
		return true
	})
	return accounts, err
}

// witness is one controller's answer, if it spoke.
type witness[T any] struct {
	said    T
	spoke   bool
	isRead  bool // it is the controller that is read
	refused bool
	thrown  any
}

// isAlone reports whether all that were asked turned out to be the controller that is read.
func isAlone[T any](answers []witness[T]) bool {
	return !slices.ContainsFunc(answers, func(a witness[T]) bool { return !a.isRead })
}

// askAll asks all of the controllers concurrently. One that turns out to be the controller
// that is read, under another name, neither speaks nor is silent.
func askAll[T any](ctx context.Context, w *witnesses, others []ldapread.Server, ask func(context.Context, *ldapread.Controller) (T, error)) []witness[T] {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make([]witness[T], len(others))
	var all sync.WaitGroup
	for i, server := range others {
		all.Go(func() {
			answers[i] = askOne(ctx, w, server, ask)
			if answers[i].refused {
				cancel() // the account would get locked
			}
		})
	}
	all.Wait()
	for i := range answers {
		if answers[i].thrown != nil {
			panic(answers[i].thrown) // of the host's BindFunc
		}
		if !answers[i].isRead {
			w.note(others[i], answers[i].spoke)
		}
	}
	return answers
}

func askOne[T any](ctx context.Context, w *witnesses, server ldapread.Server, ask func(context.Context, *ldapread.Controller) (T, error)) (answer witness[T]) {
	defer func() { answer.thrown = recover() }()
	c := ldapread.NewController(&w.dir.witnessReader, server)
	defer c.Close()
	said, err := ask(ctx, c)
	if failed, known := c.Failed(); known {
		w.dir.health.note(server, failed)
	}
	switch host := c.Host(); {
	case host != "" && strings.EqualFold(host, w.read.Host()):
		return witness[T]{isRead: true}
	case err != nil:
		return witness[T]{refused: c.Final() != nil}
	}
	return witness[T]{said: said, spoke: true}
}

// note remembers who was asked, for the plan.
func (w *witnesses) note(server ldapread.Server, spoke bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := server.Address()
	if !slices.Contains(w.asked, name) {
		w.asked = append(w.asked, name)
		slices.Sort(w.asked)
	}
	if !spoke && !slices.Contains(w.silent, name) {
		w.silent = append(w.silent, name)
		slices.Sort(w.silent)
	}
}

// warnOfOld warns where controllers still contradict each other about a tombstone that
// should have been replicated long ago.
func (w *witnesses) warnOfOld(ctx context.Context, contradicted []adattr.GUID) error {
	if len(contradicted) == 0 {
		return nil
	}
	when, err := w.read.DeletedAt(ctx, contradicted)
	if err != nil {
		return err
	}
	old := 0
	for _, t := range when {
		if w.dir.health.now().Sub(t) > oldDispute {
			old++
		}
	}
	if old > 0 {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.warning = fmt.Sprintf("%d account(s) were deleted on %s more than a day ago and are alive on another controller (asked: %s): replication between them fails, or one was put back from an old copy; repair that, as no such user is removed until they agree",
			old, w.read.Server().Address(), strings.Join(w.asked, ", "))
	}
	return nil
}

// tell adds to what Inspect says.
func (h *hearing) tell(a *adsync.Access) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a.Witnesses, a.Silent = slices.Clone(h.asked), slices.Clone(h.silent)
	if h.warning != "" {
		a.Missing = append(a.Missing, h.warning)
	}
	if h.unread > 0 {
		a.Missing = append(a.Missing, fmt.Sprintf(ldapread.TokensUnread, h.unread))
	}
}

// forget begins anew, for the next reading.
func (h *hearing) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.silent, h.warning, h.unread = nil, nil, "", 0
}

// noteUnread remembers an account of which nothing could be proven.
func (h *hearing) noteUnread() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unread++
}
