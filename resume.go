package adsync

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"time"
)

// Resumer is an optional power of a [Directory] with [Sessions]: it yields what those do,
// but first the servers that the marks are of, the first mark's first. For those whose
// servers answer no more the order is as ever.
type Resumer interface {
	SessionsFrom(ctx context.Context, marks []DirectoryMark) iter.Seq2[Directory, error]
}

// sessionsFrom are the sessions of a directory, and nil if it has none.
func sessionsFrom(ctx context.Context, d Directory, marks []DirectoryMark) iter.Seq2[Directory, error] {
	switch d := d.(type) {
	case Resumer:
		return d.SessionsFrom(ctx, marks)
	case Sessions:
		return d.Sessions(ctx)
	}
	return nil
}

// resuming is how the directory's servers are gone through in a plan that goes on from a
// mark, and nil for the usual way. A reading is of one server, so those of a Join are
// pinned too.
func (s reader) resuming(from *resumption) func(context.Context) iter.Seq2[Directory, error] {
	if !from.asked {
		return nil
	}
	var marks []DirectoryMark
	if from.mark != nil {
		marks = from.mark.Directory
	}
	var j joined
	switch d := s.dir.(type) {
	case joined:
		j = d
	case inspectedJoin:
		j = d.joined
	default:
		if _, ok := d.(Resumer); !ok {
			return nil
		}
		return func(ctx context.Context) iter.Seq2[Directory, error] { return sessionsFrom(ctx, d, marks) }
	}
	return func(ctx context.Context) iter.Seq2[Directory, error] { return j.sessions(ctx, marks) }
}

// sessions pins each of the directories that has sessions to one of its servers. When a
// reading fails, the one whose server failed goes on to the next.
func (j joined) sessions(ctx context.Context, marks []DirectoryMark) iter.Seq2[Directory, error] {
	return func(yield func(Directory, error) bool) {
		next := make([]func() (Directory, error, bool), len(j))
		for i, d := range j {
			if all := sessionsFrom(ctx, d, marksOf(marks, i)); all != nil {
				var stop func()
				next[i], stop = iter.Pull2(all)
				defer stop()
			}
		}
		now := slices.Clone(j)
		watched := make([]*watched, len(j))
		for first := true; ; first = false {
			moved := first // as there is a first reading, even of directories without servers to choose from
			for i := range j {
				if next[i] == nil || watched[i] != nil && !watched[i].failed {
					continue
				}
				d, err, ok := next[i]()
				if !ok {
					return
				}
				if err != nil {
					yield(nil, err)
					return
				}
				watched[i], moved = watch(d), true
				now[i] = watched[i].dir
			}
			if !moved || !yield(Join(now...), nil) {
				return
			}
		}
	}
}

// marksOf are those of one directory of a Join.
func marksOf(marks []DirectoryMark, i int) (own []DirectoryMark) {
	for _, m := range marks {
		if parts := partsOf(m); i < len(parts) {
			own = append(own, parts[i])
		}
	}
	return own
}

// partsOf are the marks that a Join's mark is of.
func partsOf(m DirectoryMark) (parts []DirectoryMark) {
	if json.Unmarshal(m.Data, &parts) != nil {
		return nil
	}
	return parts
}

// watched is a directory of which it is noted whether it failed.
type watched struct {
	Directory
	dir    Directory // the same, as far as it is an Inspector
	failed bool
}

type watchedInspector struct {
	*watched
	Inspector
}

func watch(d Directory) *watched {
	w := &watched{Directory: d}
	w.dir = w
	if i, ok := d.(Inspector); ok {
		w.dir = watchedInspector{w, i}
	}
	return w
}

func (w *watched) note(seq iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range seq {
			w.failed = w.failed || err != nil
			if !yield(e, err) {
				return
			}
		}
	}
}

// Entries are those of the directory.
func (w *watched) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return w.note(w.Directory.Entries(ctx))
}

// Find is that of the directory.
func (w *watched) Find(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return w.note(w.Directory.Find(ctx, ids))
}

// Confirm is that of the directory, or Find.
func (w *watched) Confirm(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return w.note(confirm(w.Directory, ctx, ids))
}

// ProveRoles is that of the directory, or Find.
func (w *watched) ProveRoles(ctx context.Context, ids []ObjectID) iter.Seq2[Entry, error] {
	return w.note(proveRoles(w.Directory, ctx, ids))
}

// Time is that of the directory, or not known.
func (w *watched) Time(ctx context.Context) (now Moment, tombstones time.Duration, err error) {
	if t, ok := w.Directory.(Timekeeper); ok {
		now, tombstones, err = t.Time(ctx)
		w.failed = w.failed || err != nil
	}
	return now, tombstones, err
}

// Traits are those of the directory.
func (w *watched) Traits() Traits { return traitsOf(w.Directory) }

// Reading is that of the directory, or none.
func (w *watched) Reading(ctx context.Context) (Reading, error) {
	r, err := readingOf(ctx, w.Directory)
	w.failed = w.failed || err != nil
	return r, err
}

// readingOf is a reading that cannot tell what has changed, where the directory can begin
// none.
func readingOf(ctx context.Context, d Directory) (Reading, error) {
	if c, ok := d.(Changes); ok {
		return c.Reading(ctx)
	}
	return unaware{}, nil
}

type unaware struct{}

const cannotTell = "the directory cannot tell what has changed"

// Since says that nobody can be left out.
func (unaware) Since(context.Context, DirectoryMark) ([]ObjectID, string, error) {
	return nil, cannotTell, nil
}

// Mark is none.
func (unaware) Mark(context.Context) (DirectoryMark, error) { return DirectoryMark{}, nil }

// Reading begins a reading of each directory.
func (j joined) Reading(ctx context.Context) (Reading, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	all := make(joinedReading, len(j))
	for i, d := range j {
		var err error
		if all[i], err = readingOf(ctx, d); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// joinedReading is one reading of each directory. Its mark has one of each. It does not tell
// who has which role, which is for the directory to say that lists the account.
type joinedReading []Reading

// Since is what any of them says.
func (j joinedReading) Since(ctx context.Context, m DirectoryMark) (ids []ObjectID, full string, err error) {
	parts := partsOf(m)
	if len(parts) != len(j) || m.Controller != controllersOf(parts) {
		return nil, NoMarkOfController, nil
	}
	for i, r := range j {
		more, full, err := r.Since(ctx, parts[i])
		if full != "" || err != nil {
			return nil, full, err
		}
		ids = append(ids, more...)
	}
	return ids, "", nil
}

// Mark is of all of them, or none.
func (j joinedReading) Mark(ctx context.Context) (DirectoryMark, error) {
	parts := make([]DirectoryMark, len(j))
	for i, r := range j {
		var err error
		if parts[i], err = r.Mark(ctx); err != nil || parts[i].Controller == "" {
			return DirectoryMark{}, err
		}
	}
	data, err := json.Marshal(parts)
	return DirectoryMark{Controller: controllersOf(parts), Data: data}, err
}

// controllersOf names the servers of all the parts.
func controllersOf(parts []DirectoryMark) string {
	names := make([]string, len(parts))
	for i := range parts {
		names[i] = parts[i].Controller
	}
	return strings.Join(names, "+")
}

// Access is what is known of them without asking.
func (j joinedReading) Access() Access {
	all := Access{Tombstones: true}
	var controllers []string
	for _, r := range j {
		a, ok := r.(interface{ Access() Access })
		if !ok {
			continue
		}
		one := a.Access()
		controllers = append(controllers, one.Controller)
		all.add(&one)
	}
	all.Controller = strings.Join(controllers, ", ")
	return all
}
