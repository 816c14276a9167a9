package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory"
)

// explain says an error in words for administrators, who can do something about it.
// The log has the error itself.
func (a *app) explain(ctx context.Context, err error) (status int, text string) {
	switch {
	case busy(err), errors.Is(err, adsync.ErrLocked), violatesUnique(err): // of the lock of the runs
		if other, err := a.store.running(ctx); err == nil && other != nil {
			return http.StatusConflict, fmt.Sprintf("Another synchronization is running: %s started it at %s. Nothing was changed here. Try again when that one is done.",
				legible(other.RunBy), other.StartedAt.Format("15:04:05"))
		}
		return http.StatusServiceUnavailable, "The database is locked by something else. Nothing was changed. Try again in a moment."
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout, "That took too long and was given up. Nothing was changed. Try again."
	case errors.Is(err, adsync.ErrUnsafe):
		return http.StatusConflict, "This plan cannot be applied as it is. Nothing was changed. Plan again."
	}
	if text := directoryTrouble(err); text != "" {
		return http.StatusBadGateway, text + " Nothing was changed."
	}
	if errors.Is(err, adsync.ErrIncomplete) {
		return http.StatusBadGateway, "Active Directory or the users could not be read completely. Nothing was changed. The log says what was missing."
	}
	return http.StatusInternalServerError, "The database could not be reached or refused this. The log says why."
}

// directoryTrouble says what kept the directory from being read; "" when it was not
// the directory.
func directoryTrouble(err error) string {
	var certificate *tls.CertificateVerificationError
	var result *ldap.Error
	var network net.Error
	switch {
	case errors.As(err, &certificate):
		return "The certificate of the domain controller is not trusted. Name the certificate authority that signed it in the settings."
	case errors.Is(err, activedirectory.ErrRefused):
		return "Active Directory refused the service account's name or password. It is not tried again at once, so that the account does not get locked."
	case errors.As(err, &result) && result.ResultCode == ldap.LDAPResultInsufficientAccessRights:
		return "The service account is not allowed to read Active Directory."
	case errors.As(err, &result) && result.ResultCode == ldap.LDAPResultNoSuchObject:
		return "The part of Active Directory to synchronize does not exist, or the service account may not see it."
	case errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork:
		return "Active Directory refused to answer. The log has its reason."
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "Active Directory did not answer in time. Look at the domain controller and the network, then try again."
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network), errors.As(err, &result):
		return "No domain controller could be reached. Look at the domain controller and the network, then try again."
	}
	return ""
}

// failure says why a change was not written.
func failure(r adsync.Result) string {
	err := r.Err
	switch {
	case err == nil, r.Outcome == adsync.OutcomeBlocked, r.Outcome == adsync.OutcomeNotAttempted: // which says it
		return ""
	case errors.Is(err, adsync.ErrUnknown):
		return "It is not known whether this was written. Synchronize this user again."
	case errors.Is(err, adsync.ErrConflict):
		return "Somebody else has this username or email address by now."
	case errors.Is(err, adsync.ErrStale):
		return "Has changed since the plan was made, here or in the directory."
	case busy(err):
		return "The database was locked by something else."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "The run ended before this was written."
	}
	text := strings.ReplaceAll(err.Error(), "adsync: ", "")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// cutShort says why a run ended before its end.
func (a *app) cutShort(ctx context.Context, err error) string {
	switch {
	case a.ctx.Err() != nil:
		return "The application was stopped before the run was through."
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("The run was ended because it took longer than %v.", a.runTimeout)
	case busy(err):
		return "The database was locked by something else, and the run was ended."
	}
	_, text := a.explain(ctx, err)
	return strings.ReplaceAll(text, " Nothing was changed.", "")
}

// ops are what changes do, in the order of the pages.
var ops = []adsync.Op{adsync.OpDelete, adsync.OpUpdate, adsync.OpCreate, adsync.OpDuplicate, adsync.OpInvalid, adsync.OpNotice}

// leaves reports whether the change deactivates somebody.
func leaves(c adsync.Change) bool {
	return c.Op == adsync.OpUpdate && c.Before.Status != c.After.Status && c.After.Status == adsync.StatusDeactivated
}

// Writes says how much a plan writes: "2 deletions, 7 updates".
func (r *run) Writes() string { return say("writes", r.Counts) }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func day(at adsync.Moment) string { return at.Time().Local().Format("2 January 2006") }

// words are what a change does, why, and what became of it. Pages and downloads say it
// alike.
var words = template.Must(template.New("").Funcs(template.FuncMap{"day": day, "leaves": leaves, "count": counted}).ParseFS(files, "templates/words.txt"))

func say(kind string, of any) string {
	var b strings.Builder
	if err := words.ExecuteTemplate(&b, kind, of); err != nil {
		panic("webhost: " + err.Error()) // the words are wrong, whatever of is
	}
	return b.String()
}

// changeRow is a change as the pages show it.
type changeRow struct {
	lookup
	adsync.Change
	Username, Name string
	Diffs          []diff
	Result, Error  string // what became of it; "" before
}

// diff is one detail, old and new.
type diff struct {
	Field, Old, New string
	Given, Taken    []string // roles
}

func (l lookup) rowOf(c adsync.Change) changeRow {
	row := changeRow{lookup: l, Change: c, Diffs: diffs(c)}
	for i, d := range row.Diffs {
		if d.Field == managerLabel {
			row.Diffs[i].Old, row.Diffs[i].New = l.NameOf(d.Old), l.NameOf(d.New)
		}
	}
	if u := subject(c); u != nil {
		row.Username, row.Name = u.Username, strings.TrimSpace(u.FirstName+" "+u.LastName)
	}
	row.Name = cmp.Or(row.Name, row.Username, "An account without a name")
	return row
}

// subject is the user as people know them here, or as they will be.
func subject(c adsync.Change) *adsync.User {
	if c.Before != nil {
		return c.Before
	}
	return c.After
}

// sortName sorts people by last name, whatever its case.
func sortName(c adsync.Change) string {
	u := subject(c)
	if u == nil {
		return ""
	}
	return strings.ToLower(u.LastName + "\x01" + u.FirstName + "\x01" + u.Username) // no zero byte, which PostgreSQL refuses
}

type detail struct {
	field adsync.Field
	label string
}

const managerLabel = "Manager"

// details are what the pages show of a user, and how they call it.
var details = []detail{
	{adsync.FieldUsername, "Username"}, {adsync.FieldFirstName, "First name"}, {adsync.FieldLastName, "Last name"},
	{adsync.FieldEmail, "Email address"}, {adsync.FieldPhone, "Contact number"},
	{fieldDepartment, "Department"}, {fieldManager, managerLabel},
}

// diffs are the details that an update or an import writes. A deletion takes them
// all, which needs no list.
func diffs(c adsync.Change) (out []diff) {
	if c.Op != adsync.OpUpdate && c.Op != adsync.OpCreate || c.After == nil {
		return nil
	}
	before := adsync.User{Status: c.After.Status}
	if c.Before != nil {
		before = *c.Before
	}
	if before.Status != c.After.Status {
		out = append(out, diff{Field: "Status", Old: string(before.Status), New: string(c.After.Status)})
	}
	for _, d := range details {
		if old, now := before.Get(d.field), c.After.Get(d.field); old != now {
			out = append(out, diff{Field: d.label, Old: old, New: now})
		}
	}
	had, has := before.Extra.Set(adsync.FieldRoles), c.After.Extra.Set(adsync.FieldRoles)
	if given, taken := without(has, had), without(had, has); len(given)+len(taken) > 0 {
		out = append(out, diff{Field: "Roles", Old: strings.Join(had, ", "), New: strings.Join(has, ", "), Given: given, Taken: taken})
	}
	return out
}

func without(roles, others []string) []string {
	return slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return slices.Contains(others, role) })
}

// Diffs are what a sync would write of the person of a list.
func (p person) Diffs() []diff { return diffs(*p.Mark) }
