package activedirectory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
)

// changes is a reading of one controller over one connection.
//
// What it says rests on the controller's numbers, and on digests of all that changes
// accounts without touching their numbers. A controller may also have been put back from an
// old copy, with the name that its database had and numbers that it gives out once more:
// that shows in the objects that had the highest numbers.
type changes struct {
	pinned
	head    ldapread.Head
	unusual []adattr.GUID                   // the containers of unusual classes that head counts
	known   map[adattr.GUID]ldapread.Object // visible, of an increment; nil: none was possible
	schema  *numbered                       // of an increment
	group   bool                            // of an increment: some group was changed, or made, or brought back
	groups  []numbered                      // of an increment: they are what they were
	members map[string][]adsync.ObjectID    // of an increment in which they are not
}

// numbered is an object as it was seen.
type numbered struct {
	ID   adsync.ObjectID `json:"id"`
	USN  int64           `json:"usn"`
	When string          `json:"when"`
}

// markData is what a mark remembers of one controller.
type markData struct {
	Config     string            `json:"config"`              // a digest of what is read
	Server     string            `json:"server"`              // its address
	From       int64             `json:"from"`                // changes from that number on were not read
	Highest    int64             `json:"highest"`             // the highest number at the end of the reading
	Latest     []numbered        `json:"latest"`              // visible objects, the highest number first
	Token      string            `json:"token"`               // a digest of the service account's groups
	Containers string            `json:"containers"`          // a digest of the containers
	Unusual    []adsync.ObjectID `json:"unusual,omitempty"`   // containers of unusual classes
	Uncounted  bool              `json:"uncounted,omitempty"` // one of those is not in the digest
	Blind      string            `json:"blind,omitempty"`     // why nothing can be told
	Schema     *numbered         `json:"schema,omitempty"`    // of the schema partition, that with the highest number
	Groups     []numbered        `json:"groups,omitempty"`    // that give roles, and those in them
	Time       time.Time         `json:"time"`                // by the controller's clock
	AsOf       time.Time         `json:"as_of,omitzero"`      // who expires later was not taken to have expired
}

const (
	mostLatest   = 32 // objects that are remembered
	mostGroups   = 4096
	maxMarkData  = 1 << 20
	settled      = 24 * time.Hour // no tombstone is purged that soon ([MS-ADTS] 6.1.1.2.4.1.1: two days at least)
	controllerID = "dc:"
)

// Reading begins a reading of this controller: it is what the mark of a plan is made of.
func (p pinned) Reading(ctx context.Context) (adsync.Reading, error) {
	r := &changes{pinned: p}
	var err error
	r.head, err = p.controller.Head(ctx, nil)
	return r, err
}

func (r *changes) name() string { return controllerID + r.head.Invocation.String() }

// Since tells who may have changed since the mark was made.
func (r *changes) Since(ctx context.Context, m adsync.DirectoryMark) (ids []adsync.ObjectID, full string, err error) {
	var was markData
	switch {
	case r.head.Blind != "":
		return nil, r.head.Blind, nil
	case r.witnesses.dir.reader.IsUnnumbered():
		return nil, "a further detail may change without its account's number, as one that names other objects does", nil
	case m.Controller != r.name():
		return nil, adsync.NoMarkOfController, nil
	case len(m.Data) > maxMarkData || json.Unmarshal(m.Data, &was) != nil:
		return nil, "the mark cannot be read", nil
	case was.Config != r.digest():
		return nil, "the directory's configuration is another", nil
	}
	if len(was.Unusual) > 0 {
		r.unusual = nil
		for _, id := range was.Unusual {
			r.unusual = append(r.unusual, adattr.GUID(id))
		}
		if r.head, err = r.controller.Head(ctx, r.unusual); err != nil {
			return nil, "", err
		}
	}
	if full, err := r.doubt(ctx, &was); full != "" || err != nil {
		return nil, full, err
	}
	ids, full, err = r.changed(ctx, &was)
	if full == "" && err == nil {
		full, err = r.regrouped(ctx, &was)
	}
	if full != "" && full != adsync.GroupsChanged || err != nil || !r.witnesses.dir.reader.Flag.Expires {
		return ids, full, err
	}
	expired, unknown, err := r.expired(ctx, &was)
	return append(ids, expired...), cmp.Or(unknown, full), err
}

// expired are those whose time has run out since the mark was made, which moves no number.
func (r *changes) expired(ctx context.Context, was *markData) (ids []adsync.ObjectID, full string, err error) {
	now := r.controller.AsOf()
	if was.AsOf.IsZero() || now.Before(was.AsOf) {
		return nil, "the controller's clock cannot be read, or was put back, so who has expired is not known", nil
	}
	objects, err := r.controller.Expiring(ctx, was.AsOf, now)
	if errors.Is(err, ldapread.ErrManyChanges) {
		return nil, err.Error(), nil
	}
	for i := range objects {
		ids = append(ids, adsync.ObjectID(objects[i].GUID))
	}
	return ids, "", err
}

// doubt is why the mark is no ground to go on from.
func (r *changes) doubt(ctx context.Context, was *markData) (string, error) {
	switch {
	case r.head.Blind != "":
		return r.head.Blind, nil
	case was.Blind != "":
		return was.Blind, nil
	case was.Uncounted:
		return "there are people below a container of an unusual class, which was not counted before", nil
	case r.head.USN < was.Highest:
		return "the controller was put back from an old copy", nil
	case r.head.Token != was.Token:
		return "the service account's groups have changed", nil
	case r.head.Containers != was.Containers:
		return "a container was changed, moved, shown or hidden", nil
	}
	age := r.head.Time.Sub(was.Time)
	if age < 0 {
		return "the controller's clock was put back", nil
	}
	if age > settled {
		lifetime, err := r.controller.TombstoneLifetime(ctx)
		if err != nil {
			return "", err
		}
		if age > lifetime/2 {
			return "the mark is older than half the tombstone lifetime", nil
		}
	}
	from := int64(1)
	if was.Schema != nil {
		from = was.Schema.USN
	}
	schema, err := r.controller.Schema(ctx, from)
	if errors.Is(err, ldapread.ErrManyChanges) {
		return "the schema has changed", nil
	}
	if err != nil {
		return "", err
	}
	if was.Schema == nil && len(schema) == 0 || was.Schema != nil && len(schema) == 1 && *was.Schema == numberedOf(&schema[0]) {
		r.schema = was.Schema
		return "", nil
	}
	return "the schema has changed", nil
}

// regrouped finds out whether somebody may have other roles whose account is what it was, and
// then who has which. Joining and leaving move the number of a group alone. Deleting a group
// that is in another moves only its own, so each of them has to be there, as it was; and so
// does bringing one back, which is then in the others again. A membership that ends by itself
// moves none.
func (r *changes) regrouped(ctx context.Context, was *markData) (string, error) {
	switch {
	case len(r.roles.configured) == 0:
		return "", nil
	case r.group:
		return r.readRoles(ctx)
	}
	if ends, err := r.controller.MembershipsEnd(ctx); err != nil {
		return "", err
	} else if ends {
		return r.readRoles(ctx)
	}
	asked := make([]adattr.GUID, len(was.Groups))
	for i, g := range was.Groups {
		asked[i] = adattr.GUID(g.ID)
	}
	objects, err := r.controller.Objects(ctx, asked)
	if err != nil {
		return "", err
	}
	seen := byID(objects)
	for _, g := range was.Groups {
		now, visible := seen[adattr.GUID(g.ID)]
		if !visible || now.IsDeleted() || numberedOf(&now) != g {
			return r.readRoles(ctx)
		}
	}
	r.groups = was.Groups
	return "", nil
}

// readRoles reads who has which role now, and says that it may be another.
func (r *changes) readRoles(ctx context.Context) (string, error) {
	if err := r.roles.read(ctx); err != nil {
		return "", err
	}
	said := r.roles.heard()
	if len(said.Unknown()) > 0 {
		return unknownRoles, nil
	}
	r.members = map[string][]adsync.ObjectID{}
	for role, members := range said.Members() {
		r.members[role] = make([]adsync.ObjectID, len(members))
		for i, id := range members {
			r.members[role][i] = adsync.ObjectID(id)
		}
	}
	return adsync.GroupsChanged, nil
}

const unknownRoles = "it is not known who has which role, and that may change unseen"

// Members are who has which role now, of all roles, if that may be another than when the mark
// was made, and nil otherwise.
func (r *changes) Members() map[string][]adsync.ObjectID { return r.members }

// watched are the groups that the roles depend on, or why a change of them may go unseen.
func (r *changes) watched() (groups []numbered, blind string) {
	if len(r.roles.configured) == 0 {
		return nil, ""
	}
	said := r.roles.heard()
	switch {
	case said != nil && len(said.Unknown()) > 0:
		return nil, unknownRoles
	case r.groups != nil:
		return r.groups, "" // and not those read in the meantime, which may have changed since
	case said == nil:
		return watchable(nil)
	}
	return watchable(said.Groups())
}

// watchable are the groups that were read, as a mark remembers them.
func watchable(read []ldapread.Object) (groups []numbered, blind string) {
	if len(read) == 0 || len(read) > mostGroups {
		return nil, "the groups that give roles were not read, or are too many to be watched"
	}
	for _, g := range read {
		if g.USN <= 0 || g.GUID == (adattr.GUID{}) {
			return nil, "a group that gives a role, or one in it, shows no uSNChanged"
		}
		groups = append(groups, numberedOf(&g))
	}
	return groups, ""
}

// changed looks for what the numbers tell.
func (r *changes) changed(ctx context.Context, was *markData) (ids []adsync.ObjectID, full string, err error) {
	var asked []adattr.GUID
	for _, w := range was.Latest {
		asked = append(asked, adattr.GUID(w.ID))
	}
	objects, err := r.controller.Changed(ctx, was.From, asked)
	if errors.Is(err, ldapread.ErrManyChanges) {
		return nil, err.Error(), nil
	}
	if err != nil {
		return nil, "", err
	}
	seen := byID(objects)
	from, sure := was.From, false
	for _, w := range was.Latest {
		now, visible := seen[adattr.GUID(w.ID)]
		if visible && numberedOf(&now) == w {
			from, sure = min(from, w.USN+1), true
			break
		}
		if visible && now.USN <= was.Highest {
			return nil, "the controller was put back from an old copy", nil
		}
		ids = append(ids, w.ID)
	}
	if !sure {
		return nil, "nothing of what was changed last is as it was, so the controller may have been put back from an old copy", nil
	}
	if from < was.From {
		objects, err = r.controller.Changed(ctx, from, asked)
		if errors.Is(err, ldapread.ErrManyChanges) {
			return nil, err.Error(), nil
		}
		if err != nil {
			return nil, "", err
		}
		seen = byID(objects)
	}
	for _, o := range objects {
		switch {
		case o.USN < from:
		case o.Kind == ldapread.Other && !o.IsDeleted():
			return nil, "an object was changed that may have people below it", nil
		case o.Kind != ldapread.Container:
			ids = append(ids, adsync.ObjectID(o.GUID))
			r.group = r.group || o.Kind == ldapread.AGroup && !o.IsDeleted()
		}
	}
	r.known = seen
	return ids, "", nil
}

// Access is what is known without asking.
func (r *changes) Access() adsync.Access {
	access := adsync.Access{Controller: cmp.Or(r.controller.Host(), r.controller.Server().Address()), Tombstones: r.head.Blind == ""}
	if !r.controller.Server().Encrypted() {
		access.Missing = []string{ldapread.ClearText}
	}
	r.roles.tell(&access)
	r.witnesses.tell(&access)
	return access
}

// Mark is what to go on from the next time.
func (r *changes) Mark(ctx context.Context) (adsync.DirectoryMark, error) {
	if err := stopped(ctx); err != nil {
		return adsync.DirectoryMark{}, err
	}
	next := markData{Config: r.digest(), Server: r.controller.Server().Address(), Token: r.head.Token, Containers: r.head.Containers,
		Time: r.head.Time, AsOf: r.controller.AsOf(), Blind: r.head.Blind}
	if next.Blind != "" {
		return r.mark(next)
	}
	end, err := r.controller.Clock(ctx)
	if err != nil {
		return adsync.DirectoryMark{}, err
	}
	if end.Session != r.head.Session || end.Token != r.head.Token || end.USN < r.head.USN {
		return adsync.DirectoryMark{}, nil // it was not one reading
	}
	next.Highest = end.USN
	objects, err := r.latest(ctx, end.USN)
	if errors.Is(err, ldapread.ErrManyChanges) {
		return adsync.DirectoryMark{}, nil
	}
	if err != nil {
		return adsync.DirectoryMark{}, err
	}
	next.Latest, next.From = startingFrom(objects, r.head.USN)
	if next.From == 0 {
		next.Blind = "nothing in the domain shows a number"
		return r.mark(next)
	}
	if r.controller.Unnumbered() {
		next.Blind = "an account shows no uSNChanged, so its changes would not be noticed"
	}
	if groups, blind := r.watched(); next.Blind == "" {
		next.Groups, next.Blind = groups, blind
	}
	if next.Schema, err = r.schemaNow(ctx); err != nil {
		return adsync.DirectoryMark{}, err
	}
	if next.Schema != nil && next.Schema.USN > r.head.USN {
		return adsync.DirectoryMark{}, nil // it was changed in the meantime
	}
	if err := r.countUnusual(ctx, &next); err != nil {
		return adsync.DirectoryMark{}, err
	}
	return r.mark(next)
}

// startingFrom are the objects that a mark remembers, of those with the highest numbers
// first, and the number behind the first of them that the reading is sure to have seen.
func startingFrom(objects []ldapread.Object, usn int64) (latest []numbered, from int64) {
	for i := range objects[:min(len(objects), mostLatest)] {
		latest = append(latest, numberedOf(&objects[i]))
	}
	if i := slices.IndexFunc(objects, func(o ldapread.Object) bool { return o.USN <= usn }); i >= 0 {
		from = objects[i].USN + 1
	}
	return latest, from
}

func (r *changes) mark(next markData) (adsync.DirectoryMark, error) {
	data, err := json.Marshal(next)
	return adsync.DirectoryMark{Controller: r.name(), Data: data}, err
}

// latest are visible objects, those with the highest numbers first: at least all that are
// above head.USN, and one that is not.
func (r *changes) latest(ctx context.Context, usn int64) ([]ldapread.Object, error) {
	if r.known == nil {
		return r.controller.Latest(ctx, r.head.USN)
	}
	last := int64(0)
	for _, o := range r.known {
		if o.USN <= r.head.USN {
			last = max(last, o.USN)
		}
	}
	if usn > r.head.USN {
		more, err := r.controller.Changed(ctx, last+1, nil)
		if err != nil {
			return nil, err
		}
		for _, o := range more {
			r.known[o.GUID] = o
		}
	}
	return slices.SortedFunc(maps.Values(r.known), func(a, b ldapread.Object) int { return cmp.Compare(b.USN, a.USN) }), nil
}

// schemaNow is the object of the schema partition with the highest number.
func (r *changes) schemaNow(ctx context.Context) (*numbered, error) {
	if r.known != nil {
		return r.schema, nil
	}
	objects, err := r.controller.Schema(ctx, 1)
	if err != nil || len(objects) == 0 {
		return nil, err
	}
	top := numberedOf(&objects[0])
	return &top, nil
}

// countUnusual notes the containers of unusual classes that accounts were found below.
func (r *changes) countUnusual(ctx context.Context, next *markData) error {
	more, ok, err := r.controller.Unusual(ctx, r.head)
	if err != nil {
		return err
	}
	all := slices.Concat(r.unusual, more)
	for _, id := range all {
		next.Unusual = append(next.Unusual, adsync.ObjectID(id))
	}
	next.Uncounted = len(more) > 0
	if !ok || len(all) > maxUnusual {
		next.Unusual, next.Blind = nil, "people are below containers of unusual classes that cannot be counted"
	}
	return nil
}

const maxUnusual = 64

// digest is of all that says what is read.
func (r *changes) digest() string {
	cfg := &r.witnesses.dir.reader
	text := fmt.Sprintf("%q %q %q %q %v %q %+v %+v", cfg.BaseDN, cfg.Filter, cfg.Attributes, r.roles.details.fields, cfg.Further, cfg.Identity.Attribute(),
		cfg.Flag, cfg.Roles)
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", sum[:16])
}

// addresses are those of the controllers that the marks are of.
func addresses(marks []adsync.DirectoryMark) (found []string) {
	for _, m := range marks {
		var was markData
		if len(m.Data) <= maxMarkData && json.Unmarshal(m.Data, &was) == nil && was.Server != "" {
			found = append(found, was.Server)
		}
	}
	return found
}

// preferring puts the servers of these addresses first.
func preferring(servers []ldapread.Server, first []string) []ldapread.Server {
	place := func(s ldapread.Server) int {
		if i := slices.Index(first, s.Address()); i >= 0 {
			return i
		}
		return len(first)
	}
	return slices.SortedStableFunc(slices.Values(servers), func(a, b ldapread.Server) int { return place(a) - place(b) })
}

func numberedOf(o *ldapread.Object) numbered {
	return numbered{ID: adsync.ObjectID(o.GUID), USN: o.USN, When: o.When}
}

func byID(objects []ldapread.Object) map[adattr.GUID]ldapread.Object {
	m := make(map[adattr.GUID]ldapread.Object, len(objects))
	for _, o := range objects {
		m[o.GUID] = o
	}
	return m
}
