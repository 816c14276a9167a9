package adsync_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
)

// A log shows a change by what is not personal: what it does, whose IDs, which details
// by name, and who is in the way.
func TestChange_InALog(t *testing.T) {
	for want, c := range map[string]adsync.Change{
		`{"op":"notice","reason":"unproven"}`: {Op: adsync.OpNotice, Reason: adsync.ReasonUnproven},
		`{"op":"update","reason":"changed","user_id":"1","object_id":"` + id(1).String() + `","fields":["phone"]}`: {
			Op: adsync.OpUpdate, Reason: adsync.ReasonChanged, UserID: "1", ObjectID: id(1), Fields: []adsync.Field{adsync.FieldPhone},
		},
		`{"op":"duplicate","reason":"taken","user_id":"1","conflict_username":["2","3"],"conflict_email":["4"]}`: {
			Op: adsync.OpDuplicate, Reason: adsync.ReasonTaken, UserID: "1", Conflicts: []adsync.Conflict{
				{Field: adsync.FieldUsername, Value: "anna", With: []string{"2", "3"}},
				{Field: adsync.FieldEmail, Value: "anna@x", With: []string{"4"}},
			},
		},
	} {
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key != "change" {
				return slog.Attr{}
			}
			return a
		}})).Info("", "change", c)
		assert.JSONEq(t, `{"change":`+want+`}`, out.String())
	}
}

func TestSelection_NamesEachUserThatIsUnknown(t *testing.T) {
	store := adsync.NewMemoryStore(user("1", 1, "anna", ""), unlinked("2", "ben", ""))
	s := newSyncer(t, adsync.StaticDirectory{entry(1, "anna", "")}, store, nil)
	_, err := s.Plan(t.Context(), adsync.OnlyUsers("z", "1", "2", "a"))
	require.Error(t, err)
	assert.Regexp(t, `(?s)^[^\n]*"2" is unknown[^\n]*\n[^\n]*"a" is unknown[^\n]*\n[^\n]*"z" is unknown[^\n]*$`, err.Error())
}
