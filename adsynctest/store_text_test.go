package adsynctest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"

	"github.com/go-adsync/adsync"
)

// eachText alters the details of what is written.
func eachText(alter func(string) string) func(before, after *adsync.User) {
	return func(_, after *adsync.User) {
		for _, f := range []adsync.Field{adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone} {
			after.Profile = after.With(f, alter(after.Get(f)))
		}
	}
}

func cutAfter(most int) func(string) string {
	return func(s string) string { return string([]rune(s)[:min(most, len([]rune(s)))]) }
}

func TestCheckStore_Texts(t *testing.T) {
	var cases []brokenCase
	for _, alter := range []func(string) string{
		cutAfter(63),
		cutAfter(255),
		strings.TrimSpace,
		func(s string) string { return strings.TrimRight(s, " ") },
		func(s string) string { return strings.Join(strings.Fields(s), " ") },
		func(s string) string { return strings.ReplaceAll(s, "\t", " ") },
		norm.NFC.String,
		norm.NFKC.String,
		func(s string) string { // as an encoding of three bytes makes it
			return strings.Map(func(r rune) rune {
				if r > 0xffff {
					return '?'
				}
				return r
			}, s)
		},
	} {
		cases = append(cases,
			brokenCase{"UpdateUser must write each text to the byte", func(b *broken) { b.rewrite(eachText(alter)) }},
			brokenCase{"CreateUser must write each text to the byte", func(b *broken) { b.rewriteCreations(eachText(alter)) }},
			brokenCase{"ApplyChanges must do as the single writes: UpdateUser must write each text to the byte", func(b *broken) { b.rewriteBatches(eachText(alter)) }},
			brokenCase{"ApplyChanges must do as the single writes: CreateUser must write each text to the byte", func(b *broken) { b.rewriteBatches(eachText(alter)) }},
		)
	}
	for _, untrue := range []error{adsync.ErrConflict, adsync.ErrStale, adsync.ErrAlready, adsync.ErrNotWritten, adsync.ErrUnknown} {
		cases = append(cases,
			brokenCase{"UpdateUser must write each text to the byte", func(b *broken) { b.refuseLong(untrue) }},
			brokenCase{"CreateUser must write each text to the byte", func(b *broken) { b.refuseLong(untrue) }},
		)
	}
	testBroken(t, cases)
}

// refuseLong makes the columns 40 characters wide.
func (b *broken) refuseLong(answer error) {
	fits := func(c adsync.Change) bool {
		return max(len(c.After.Username), len(c.After.FirstName), len(c.After.LastName), len(c.After.Email), len(c.After.Phone)) <= 40
	}
	b.update = func(ctx context.Context, c adsync.Change) error {
		if !fits(c) {
			return answer
		}
		return b.MemoryStore.UpdateUser(ctx, c)
	}
	b.create = func(ctx context.Context, c adsync.Change) (string, error) {
		if !fits(c) {
			return "", answer
		}
		return b.MemoryStore.CreateUser(ctx, c)
	}
}

// A column may be too short, as long as the store says so.
func TestCheckStore_FitsShortColumns(t *testing.T) {
	require.NoError(t, checkBroken(t.Context(), func(b *broken) { b.refuseLong(errors.New("value too long for the column")) }))
}
