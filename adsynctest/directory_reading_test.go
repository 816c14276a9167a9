package adsynctest_test

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/adsynctest"
)

// readings has each reading be broken in one way.
func readings(harm func(r *told)) func(p *powerful) {
	return func(p *powerful) {
		p.reading = func(ctx context.Context) (adsync.Reading, error) {
			r := &told{name: p.name}
			harm(r)
			return r, ctx.Err()
		}
	}
}

// marking leaves that mark.
func marking(m adsync.DirectoryMark) func(p *powerful) {
	return readings(func(r *told) {
		r.mark = func(ctx context.Context) (adsync.DirectoryMark, error) { return m, ctx.Err() }
	})
}

// saying has Since say that of the marks that it would go on from.
func saying(ids []adsync.ObjectID, full string, err error) func(p *powerful) {
	return readings(func(r *told) {
		r.since = func(ctx context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
			if _, plain, err := r.plainSince(ctx, m); plain != "" || err != nil {
				return nil, plain, err
			}
			return ids, full, err
		}
	})
}

func TestCheckDirectory_NamesTheDutyOfReadings(t *testing.T) {
	const (
		begins  = "Reading begins a reading: "
		leaves  = "Mark is what a Reading leaves for the next one, and none or valid JSON: "
		goesOn  = "Since goes on from a mark of the same server, or says why nobody can be left out: "
		kept    = "Since takes a mark that was kept as JSON for what it was: "
		foreign = "Since leaves nobody out by the mark of another server: "
		lost    = "Since leaves nobody out by a mark whose Data was lost: "
	)
	// What is asked of a mark of its own, whose Data is not looked at.
	trusting := func(answer func(m adsync.DirectoryMark) (string, error)) func(p *powerful) {
		return readings(func(r *told) {
			r.since = func(ctx context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
				full, err := answer(m)
				if full == "" && err == nil {
					err = ctx.Err()
				}
				return nil, full, err
			}
		})
	}
	var count int
	testPowers(t, []brokenPower{
		{begins + "it failed: the line is down", func(p *powerful) {
			p.reading = func(context.Context) (adsync.Reading, error) { return nil, errDown }
		}},
		{begins + "there is none, and no error", func(p *powerful) {
			p.reading = func(context.Context) (adsync.Reading, error) { return nil, nil }
		}},
		{begins + "it panicked at directory_reading_test.go", func(p *powerful) {
			p.reading = func(context.Context) (adsync.Reading, error) { panic("at once") }
		}},
		{leaves + "it failed: the line is down", readings(func(r *told) {
			r.mark = func(context.Context) (adsync.DirectoryMark, error) { return adsync.DirectoryMark{}, errDown }
		})},
		{leaves + "Entries failed while it was read: the line is down", func(p *powerful) {
			begun := 0
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				begun++
				return &told{name: p.name}, ctx.Err()
			}
			p.entries = func(ctx context.Context) iter.Seq2[adsync.Entry, error] {
				if begun > 1 {
					return fails(errDown)
				}
				return p.StaticDirectory.Entries(ctx)
			}
		}},
		{leaves + "it has Data and no Controller", marking(adsync.DirectoryMark{Data: json.RawMessage("7")})},
		{leaves + "its Data is not valid JSON", marking(adsync.DirectoryMark{Controller: "dc1", Data: json.RawMessage("{usn: 7}")})},
		{leaves + "its Data is not valid JSON", marking(adsync.DirectoryMark{Controller: "dc1", Data: json.RawMessage{}})},
		{leaves + "its Controller is not valid UTF-8", marking(adsync.DirectoryMark{Controller: "dc\xff"})},
		{goesOn + "it failed: the line is down", saying(nil, "", errDown)},
		{goesOn + "it names an account without an ObjectID", saying([]adsync.ObjectID{dirID(1), {}}, "", nil)},
		{goesOn + "it names " + dirID(9).String() + ", for which Find has no answer", func(p *powerful) {
			saying([]adsync.ObjectID{dirID(1), dirID(9)}, "", nil)(p)
			p.find = changed(p.StaticDirectory.Find, func(found []adsync.Entry) []adsync.Entry {
				if len(found) == 2 && found[1].ObjectID == dirID(9) {
					return found[:1]
				}
				return found
			})
		}},
		{goesOn + "Find of those that it names failed: the line is down", func(p *powerful) {
			saying([]adsync.ObjectID{dirID(9)}, "", nil)(p)
			p.find = func(ctx context.Context, ids []adsync.ObjectID) iter.Seq2[adsync.Entry, error] {
				if slices.Contains(ids, dirID(9)) {
					return fails(errDown)
				}
				return p.StaticDirectory.Find(ctx, ids)
			}
		}},
		{goesOn + "it says NoMarkOfController, and leaves a mark of the same Controller", saying(nil, adsync.NoMarkOfController, nil)},
		{goesOn + "it goes on, and leaves a mark of another Controller", func(p *powerful) {
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				count++
				r := &told{name: p.name}
				r.mark = func(ctx context.Context) (adsync.DirectoryMark, error) {
					return adsync.DirectoryMark{Controller: []string{"dc1", "dc2"}[count%2], Data: json.RawMessage(`7`)}, ctx.Err()
				}
				r.since = func(_ context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
					return nil, "", nil
				}
				return r, ctx.Err()
			}
		}},
		{kept + "as it was left, it is gone on from; through json.Marshal and Unmarshal, it is not: the mark cannot be read", func(p *powerful) {
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				r := &told{name: p.name}
				r.mark = func(ctx context.Context) (adsync.DirectoryMark, error) {
					return adsync.DirectoryMark{Controller: "dc1", Data: json.RawMessage(`{"usn": 7}`)}, ctx.Err()
				}
				r.since = func(ctx context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
					switch {
					case m.Controller != "dc1":
						return nil, adsync.NoMarkOfController, nil
					case string(m.Data) != `{"usn": 7}`:
						return nil, "the mark cannot be read", nil
					}
					return nil, "", ctx.Err()
				}
				return r, ctx.Err()
			}
		}},
		{foreign + "it goes on from it", trusting(func(m adsync.DirectoryMark) (string, error) {
			if string(m.Data) != `{"usn":7}` { // and the Controller may be any
				return "the mark cannot be read", nil
			}
			return "", nil
		})},
		{foreign + "it goes on from it", trusting(func(m adsync.DirectoryMark) (string, error) {
			if m.Controller != "" && m.Controller != "dc1" {
				return adsync.NoMarkOfController, nil
			}
			return "", nil // by no mark at all, too
		})},
		{foreign + "it failed, where a full plan would do: the line is down", trusting(func(m adsync.DirectoryMark) (string, error) {
			if m.Controller != "dc1" {
				return "", errDown
			}
			return "", nil
		})},
		{lost + "it goes on from it", trusting(func(m adsync.DirectoryMark) (string, error) {
			if m.Controller != "dc1" {
				return adsync.NoMarkOfController, nil
			}
			return "", nil
		})},
		{lost + "it failed, where a full plan would do: the line is down", trusting(func(m adsync.DirectoryMark) (string, error) {
			switch {
			case m.Controller != "dc1":
				return adsync.NoMarkOfController, nil
			case string(m.Data) == "null":
				return "", errDown
			}
			return "", nil
		})},
		{"Reading of a context that has ended leaves no mark: it left one", func(p *powerful) {
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				r := &told{name: p.name}
				if ctx.Err() != nil {
					r.mark = func(context.Context) (adsync.DirectoryMark, error) {
						return adsync.DirectoryMark{Controller: "dc1"}, nil
					}
				}
				return r, nil
			}
		}},
		{"Reading of a context that has ended leaves no mark: there is none, and no error", func(p *powerful) {
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				if ctx.Err() != nil {
					return nil, nil
				}
				return &told{name: p.name}, nil
			}
		}},
		{"Since fails or leaves nobody out when its context has ended: it tells who has changed", readings(func(r *told) {
			r.since = func(_ context.Context, m adsync.DirectoryMark) ([]adsync.ObjectID, string, error) {
				return r.plainSince(context.Background(), m)
			}
		})},
		{"Mark fails or is none when its context has ended: it left one", readings(func(r *told) {
			r.mark = func(context.Context) (adsync.DirectoryMark, error) {
				return adsync.DirectoryMark{Controller: r.name, Data: json.RawMessage(`{"usn":7}`)}, nil
			}
		})},
	})
	for _, fine := range []func(p *powerful){
		marking(adsync.DirectoryMark{}), // it never is one reading
		saying(nil, "the schema has changed", nil),
		saying([]adsync.ObjectID{dirID(1), dirID(1), dirID(9)}, "", nil),
		marking(adsync.DirectoryMark{Controller: "dc1"}),
	} {
		p := newPowerful()
		fine(p)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), p))
	}
}

// Where groups have changed, a plan looks up nobody whose roles are those that Members tells.
func TestCheckDirectory_NamesTheDutyOfMembers(t *testing.T) {
	regrouped := func(members map[string][]adsync.ObjectID) func(p *powerful) {
		return func(p *powerful) {
			saying(nil, adsync.GroupsChanged, nil)(p)
			begin := p.reading
			p.reading = func(ctx context.Context) (adsync.Reading, error) {
				r, err := begin(ctx)
				r.(*told).members = members
				return r, err
			}
		}
	}
	const duty = "Members tells who has each role: "
	testPowers(t, []brokenPower{
		{duty + dirID(1).String() + ` has the role "editor": true by Entries, and false by Members`, regrouped(map[string][]adsync.ObjectID{"editor": {dirID(3)}})},
		{duty + dirID(1).String() + ` has the role "editor": true by Entries, and false by Members`, regrouped(map[string][]adsync.ObjectID{})},
		{duty + dirID(1).String() + ` has the role "reader": false by Entries, and true by Members`, func(p *powerful) {
			p.roles = []string{"editor", "reader"}
			regrouped(map[string][]adsync.ObjectID{"editor": {dirID(1)}, "reader": {dirID(1)}})(p)
		}},
	})
	for _, members := range []map[string][]adsync.ObjectID{nil, {"editor": {dirID(1), dirID(3)}}, {"editor": {dirID(1), dirID(2), dirID(9)}}} {
		p := newPowerful()
		regrouped(members)(p)
		assert.NoError(t, adsynctest.CheckDirectory(t.Context(), p))
	}
}
