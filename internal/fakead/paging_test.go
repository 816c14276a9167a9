package fakead_test

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

// page asks for one page and returns what was found and the next cookie.
func page(c *ldap.Conn, req *ldap.SearchRequest, size uint32, cookie []byte) (found []string, next []byte, err error) {
	paging := ldap.NewControlPaging(size)
	paging.SetCookie(cookie)
	once := *req
	once.Controls = append([]ldap.Control{paging}, req.Controls...)
	res, err := c.Search(&once)
	if res != nil {
		for _, e := range res.Entries {
			found = append(found, e.GetAttributeValue("cn"))
		}
		if ctl, ok := ldap.FindControl(res.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
			next = ctl.Cookie
		}
	}
	return found, next, err
}

func TestPages_CookieBelongsToItsRequestAndConnection(t *testing.T) {
	s := start(t, fakead.Config{})
	crowd(t, s, 9)
	c := admin(t, s)
	req := query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn")
	first, cookie, err := page(c, req, 4, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"u0000", "u0001", "u0002", "u0003"}, first)
	require.NotEmpty(t, cookie)

	_, _, err = page(c, query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn", "mail"), 4, cookie)
	assert.Equal(t, 53, code(err), "another request")
	_, _, err = page(admin(t, s), req, 4, cookie)
	assert.Equal(t, 12, code(err), "another connection")

	second, next, err := page(c, req, 4, cookie)
	require.NoError(t, err)
	assert.Equal(t, []string{"u0004", "u0005", "u0006", "u0007"}, second)
	_, _, err = page(c, req, 4, cookie)
	assert.Equal(t, 12, code(err), "a cookie is good once")
	last, next, err := page(c, req, 4, next)
	require.NoError(t, err)
	assert.Equal(t, []string{"u0008"}, last)
	assert.Empty(t, next)
}

func TestPages_LastOneIsFull(t *testing.T) {
	s := start(t, fakead.Config{})
	crowd(t, s, 4)
	found, cookie, err := page(admin(t, s), query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn"), 4, nil)
	require.NoError(t, err)
	assert.Len(t, found, 4)
	assert.Empty(t, cookie, "there is no fifth")
}

func TestPages_OldestSearchIsForgotten(t *testing.T) {
	s := start(t, fakead.Config{MaxCookies: 2})
	crowd(t, s, 3)
	c := admin(t, s)
	req := query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn")
	var cookies [][]byte
	for range 3 {
		_, cookie, err := page(c, req, 1, nil)
		require.NoError(t, err)
		cookies = append(cookies, cookie)
	}
	_, _, err := page(c, req, 1, cookies[0])
	assert.Equal(t, 12, code(err))
	for _, cookie := range cookies[1:] {
		_, _, err := page(c, req, 1, cookie)
		assert.NoError(t, err)
	}
}

func TestPages_ChangesInBetweenShow(t *testing.T) {
	s := start(t, fakead.Config{})
	ids := crowd(t, s, 6)
	c := admin(t, s)
	req := query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn")
	s.Before(func(r fakead.Request) {
		if r.Page == 2 {
			assert.NoError(t, s.Delete(ids[3]))
		}
	})
	_, cookie, err := page(c, req, 3, nil)
	require.NoError(t, err)
	second, cookie, err := page(c, req, 3, cookie)
	require.NoError(t, err)
	assert.Equal(t, []string{"u0004", "u0005"}, second)
	assert.Empty(t, cookie)
}

func TestSearch_SizeLimit(t *testing.T) {
	s := start(t, fakead.Config{})
	crowd(t, s, 5)
	c := admin(t, s)
	req := query(s, "(&(objectClass=user)(sAMAccountName=u*))", "cn")
	req.SizeLimit = 3
	res, err := c.Search(req)
	assert.Equal(t, 4, code(err))
	assert.Len(t, res.Entries, 3)
	req.SizeLimit = 5
	_, err = c.Search(req)
	assert.NoError(t, err)
}

func TestJournal_HoldsTheRequests(t *testing.T) {
	s := start(t, fakead.Config{})
	crowd(t, s, 3)
	c := admin(t, s)
	req := query(s, `(&(objectClass=user)(sAMAccountName=u*)(!(mail=\28\2a)))`, "cn")
	_, cookie, err := page(c, req, 2, nil)
	require.NoError(t, err)
	_, _, err = page(c, req, 2, cookie)
	require.NoError(t, err)
	log := s.Requests()
	require.Len(t, log, 3)
	assert.Equal(t, fakead.OpBind, log[0].Op)
	assert.Equal(t, fakead.Request{
		Conn: 1, Op: fakead.OpSearch, DN: s.BaseDN(), Scope: 2, Filter: `(&(objectClass=user)(sAMAccountName=u*)(!(mail=\28\2a)))`,
		Attributes: []string{"cn"}, Controls: []string{ldap.ControlTypePaging}, Page: 2, PageSize: 2, Entries: 1,
	}, log[2])
	assert.Equal(t, 2, s.Count(fakead.OpSearch))
	s.ForgetRequests()
	assert.Empty(t, s.Requests())
}
