package fakead_test

import (
	"crypto/tls"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func TestBind_Names(t *testing.T) {
	s := start(t, fakead.Config{})
	addUser(t, s, fakead.User{Username: "svc", UPN: "service@corp.example", Password: "Serv1ce!"})
	c := dial(t, s)
	for _, name := range []string{
		"CN=svc,CN=Users," + s.BaseDN(), "cn=SVC, cn=users, " + s.BaseDN(),
		"service@corp.example", "SVC@ad.example.test", `EXAMPLE\svc`, `example\SVC`,
	} {
		assert.NoError(t, c.Bind(name, "Serv1ce!"), name)
		who, err := c.WhoAmI(nil)
		require.NoError(t, err)
		assert.Equal(t, `u:EXAMPLE\svc`, who.AuthzID)
	}
	for _, name := range []string{`OTHER\svc`, "svc", "svc@elsewhere.example"} {
		err := c.Bind(name, "Serv1ce!")
		assert.Equal(t, 49, code(err), name)
		assert.ErrorContains(t, err, "data 525,", name)
	}
}

func TestBind_Refusals(t *testing.T) {
	s := start(t, fakead.Config{LockoutAfter: 3})
	id := addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	c := dial(t, s)
	refused := func(password, data string) {
		t.Helper()
		err := c.Bind(`EXAMPLE\svc`, password)
		require.Equal(t, 49, code(err))
		assert.ErrorContains(t, err, "80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data "+data+", v4563")
	}
	refused("wrong", "52e")
	for _, data := range []string{fakead.DataLogonHours, fakead.DataMustReset, fakead.DataPasswordExpired} {
		require.NoError(t, s.RefuseBind(id, data))
		refused("Serv1ce!", data)
		refused("wrong", "52e")
		require.NoError(t, s.RefuseBind(id, ""))
		require.NoError(t, c.Bind(`EXAMPLE\svc`, "Serv1ce!"), "a good password resets the count")
	}
	require.NoError(t, s.SetAttribute(id, "accountExpires", "132000000000000000"))
	refused("Serv1ce!", "701")
	require.NoError(t, s.SetAttribute(id, "accountExpires", "0"))
	require.NoError(t, s.SetAttribute(id, "pwdLastSet", "0"))
	refused("Serv1ce!", "773")
	require.NoError(t, s.SetPassword(id, "Serv1ce!"))
	require.NoError(t, s.Disable(id))
	refused("Serv1ce!", "533")
	require.NoError(t, s.Enable(id))
	require.NoError(t, c.Bind(`EXAMPLE\svc`, "Serv1ce!"))
	for range 3 {
		refused("wrong", "52e")
	}
	refused("Serv1ce!", "775")
}

func TestBind_AttemptsAreCounted(t *testing.T) {
	s := start(t, fakead.Config{})
	id := addUser(t, s, fakead.User{Username: "svc", Password: "Serv1ce!"})
	other := addUser(t, s, fakead.User{Username: "other", Password: "Serv1ce!"})
	c := dial(t, s)
	assert.Error(t, c.Bind(`EXAMPLE\svc`, "wrong"))
	assert.NoError(t, c.Bind(`EXAMPLE\svc`, "Serv1ce!"))
	assert.Equal(t, 2, s.BindAttempts(id))
	assert.Zero(t, s.BindAttempts(other))
	assert.Equal(t, 2, s.Count(fakead.OpBind))
}

func TestBind_EmptyPasswordIsAnonymous(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	require.NoError(t, c.UnauthenticatedBind(s.AdminDN()))
	_, err := c.Search(query(s, "(objectClass=*)"))
	assert.Equal(t, 1, code(err), "the bind before is forgotten")
	assert.ErrorContains(t, err, "a successful bind must be completed")
}

func TestBind_FailedOneForgetsTheOneBefore(t *testing.T) {
	s := start(t, fakead.Config{})
	c := admin(t, s)
	require.Error(t, c.Bind(s.AdminDN(), "wrong"))
	_, err := c.Search(query(s, "(objectClass=*)"))
	assert.Equal(t, 1, code(err))
}

func TestBind_PlainIsRefused(t *testing.T) {
	s := start(t, fakead.Config{})
	c, err := ldap.DialURL(s.PlainURL())
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, 8, code(c.Bind(s.AdminDN(), s.AdminPassword())))
	require.NoError(t, c.StartTLS(s.ClientTLS()))
	assert.NoError(t, c.Bind(s.AdminDN(), s.AdminPassword()))
	assert.Equal(t, 1, s.Count(fakead.OpStartTLS))
}

func TestBind_PlainWhenAllowed(t *testing.T) {
	s := start(t, fakead.Config{AllowUnsafe: true})
	c, err := ldap.DialURL(s.PlainURL())
	require.NoError(t, err)
	defer c.Close()
	assert.NoError(t, c.Bind(s.AdminDN(), s.AdminPassword()))
}

func TestCertificate_Flaws(t *testing.T) {
	for flaw, want := range map[fakead.Certificate]string{
		fakead.CertificateExpired:   "expired",
		fakead.CertificateOtherCA:   "unknown authority",
		fakead.CertificateOtherName: "doesn't contain any IP SANs",
	} {
		s := start(t, fakead.Config{Certificate: flaw})
		_, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(s.ClientTLS()))
		assert.ErrorContains(t, err, want, flaw)
	}
}

func TestBind_ExternalNeedsACertificate(t *testing.T) {
	s := start(t, fakead.Config{})
	assert.Equal(t, 49, code(dial(t, s).ExternalBind()))
	assert.Equal(t, 7, code(dial(t, s).MD5Bind("127.0.0.1", "svc", "x")), "no other mechanism")

	certificate, err := s.ClientCertificate(s.AdminDN())
	require.NoError(t, err)
	with := s.ClientTLS()
	with.Certificates = []tls.Certificate{certificate}
	c, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(with))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.ExternalBind())
	me, err := c.WhoAmI(nil)
	require.NoError(t, err)
	assert.Equal(t, `u:EXAMPLE\Administrator`, me.AuthzID)

	certificate, err = s.ClientCertificate("nobody")
	require.NoError(t, err)
	with.Certificates = []tls.Certificate{certificate}
	nobody, err := ldap.DialURL(s.URL(), ldap.DialWithTLSConfig(with))
	require.NoError(t, err)
	defer nobody.Close()
	assert.Equal(t, 49, code(nobody.ExternalBind()))
}
