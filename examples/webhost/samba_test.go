//go:build linux

package main

import (
	"crypto/tls"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/activedirectory"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

// TestSamba_Story tells the story with a real domain controller: import,
// look, synchronize.
func TestSamba_Story(t *testing.T) {
	b := openBrowser(t)
	controller := samba.Start(t)
	admin := controller.Admin(t)
	base := "OU=People," + controller.BaseDN
	add := func(dn string, attributes map[string]string) {
		request := ldap.NewAddRequest(dn, nil)
		for name, value := range attributes {
			request.Attribute(name, []string{value})
		}
		require.NoError(t, admin.Add(request))
	}
	add(base, map[string]string{"objectClass": "organizationalUnit"})
	person := func(login, first, last string) {
		add("CN="+login+","+base, map[string]string{
			"objectClass": "user", "sAMAccountName": login, "givenName": first, "sn": last, "mail": login + "@corp.example",
			"userAccountControl": "544",
		})
	}
	person("zmueller", "Zoë", "Müller")
	person("bthorsson", "Björn", "Þórsson")
	add("CN=Inner,"+controller.BaseDN, map[string]string{"objectClass": "group", "sAMAccountName": "Inner", "member": "CN=zmueller," + base})
	add("CN=Authors,"+controller.BaseDN, map[string]string{"objectClass": "group", "sAMAccountName": "Authors", "member": "CN=Inner," + controller.BaseDN})
	reader := "CN=svc-webhost," + controller.BaseDN
	add(reader, map[string]string{
		"objectClass": "user", "sAMAccountName": "svc-webhost", "userAccountControl": "512", "unicodePwd": samba.EncodePassword("Reads-0nly"),
	})
	controller.GrantTombstones(t, reader)

	w := newWorld(t, func(c *config) {
		c.ad = activedirectory.Config{
			URLs: []string{controller.URL}, BaseDN: base, Bind: activedirectory.SimpleBind(reader, "Reads-0nly"),
			TLS: &tls.Config{RootCAs: controller.RootCAs()}, Roles: []activedirectory.Role{{Name: "Author", Group: "Authors"}},
		}
		readWork(&c.ad)
		var err error
		c.directory, err = activedirectory.New(c.ad)
		require.NoError(t, err)
	})
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	b.signIn(server.URL, "admin", adminsPassword)
	b.do(click(`a.button[href="/import"]`), visible("#group"), chromedp.SendKeys(chromedp.CSS("#group"), "Auth"), click(`[value="search"]`), visible(`[value="show"]`))
	assert.Contains(t, b.text("tbody"), "Zoë Müller", "by way of another group")
	assert.NotContains(t, b.text("tbody"), "bthorsson")
	b.do(click(`[value="show"]`), chromedp.WaitNotPresent(chromedp.CSS(`[value="show"]`)), click(`button[value="all"]`))
	b.textBecomes("[data-chosen]", "2")
	b.do(click(`button[value="plan"]`), visible(".changes"))
	assert.Contains(t, b.text(".changes"), "+ Author")
	b.do(click(`button[value="apply"]`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "2 user(s) are imported.")

	rename := ldap.NewModifyRequest("CN=zmueller,"+base, nil)
	rename.Replace("sn", []string{"Schröder"})
	rename.Replace("department", []string{"Press"})
	rename.Replace("manager", []string{"CN=svc-webhost," + controller.BaseDN})
	require.NoError(t, admin.Modify(rename))
	require.NoError(t, admin.Del(ldap.NewDelRequest("CN=bthorsson,"+base, nil)))
	leave := ldap.NewModifyRequest("CN=Inner,"+controller.BaseDN, nil)
	leave.Delete("member", []string{"CN=zmueller," + base})
	require.NoError(t, admin.Modify(leave))
	b.do(click("dialog button"), click(`nav a[href="/sync"]`), visible("[data-all]"))
	assert.Contains(t, b.text("tbody"), "Deletion: deleted in the directory")
	b.do(click("[data-all]"))
	b.textBecomes("[data-chosen]", "2")
	b.do(click(`button[value="plan"]`), visible(".changes"))
	assert.Contains(t, b.text(".changes"), "Schröder")
	assert.Contains(t, b.text(".changes"), "Press")
	assert.Contains(t, b.text(".changes"), "somebody who is not imported")
	assert.Contains(t, b.text(".changes"), "− Author")
	b.do(click(`button[value="apply"]`), visible("dialog"))
	assert.Contains(t, b.text("dialog"), "1 user(s) details are modified.")
	assert.Contains(t, b.text("dialog"), "1 user(s) are deleted.")
	assert.Equal(t, "Schröder", w.value(`SELECT last_name FROM users WHERE username = 'zmueller'`))
	assert.Equal(t, "0", w.value(`SELECT count(*) FROM users WHERE username = 'bthorsson'`))
}
