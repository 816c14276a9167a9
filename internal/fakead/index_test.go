package fakead_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// An index finds what a scan finds, also after controllers were added, put back or caught
// up. No index helps with a negation.
func TestIndex_FindsWhatAScanFinds(t *testing.T) {
	a := start(t, fakead.Config{RecycleBin: true})
	ids := crowd(t, a, 20)
	b := second(t, a)
	kept := a.Snapshot()
	same := func(s *fakead.Server) {
		t.Helper()
		c := admin(t, s)
		for from := int64(3500); from <= s.USN()+1; from += 1 + (s.USN()-3500)/20 {
			item := "(uSNChanged>=" + strconv.FormatInt(from, 10) + ")"
			assert.Equal(t, names(t, c, query(s, "(!(!"+item+"))")), names(t, c, query(s, item)), item)
		}
		for _, class := range []string{"organizationalUnit", "container", "user", "computer", "top"} {
			item := "(objectClass=" + class + ")"
			assert.Equal(t, names(t, c, query(s, "(!(!"+item+"))")), names(t, c, query(s, item)), item)
		}
	}
	same(a)
	same(b)
	for i, id := range ids[:9] {
		require.NoError(t, a.SetAttribute(id, "mail", "a"+strconv.Itoa(i)+"@x.test"))
	}
	require.NoError(t, a.Delete(ids[9]))
	require.NoError(t, a.Delete(ids[10]))
	require.NoError(t, a.Restore(ids[10]))
	_, err := a.AddOU("More", "")
	require.NoError(t, err)
	require.NoError(t, b.SetAttribute(ids[3], "mail", "b@x.test"))
	converge(t, a, b)
	same(a)
	same(b)
	a.RollBack(kept)
	require.NoError(t, a.SetAttribute(ids[5], "mail", "c@x.test"))
	same(a)
	require.NoError(t, a.Pull(b))
	same(a)
}
