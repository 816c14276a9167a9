package directory

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/internal/fakead"
	"github.com/go-adsync/adsync/internal/integration/samba"
)

// bed is a directory server under test: what LDAP itself cannot arrange.
type bed struct {
	url, plainURL string
	baseDN        string
	roots         *x509.CertPool
	admin         account

	// grantTombstones lets the account read CN=Deleted Objects.
	grantTombstones func(t *testing.T, a account)
	// hide takes all rights on the object and what is below it from the account.
	hide func(t *testing.T, a account, dn string)
	// deny keeps attributes, or a property set, of the object and of what is below it
	// from the account.
	deny func(t *testing.T, a account, dn string, attributes ...string)
	// allow lets the account, or whoever is in a group of that DN, read them.
	allow func(t *testing.T, a account, dn string, attributes ...string)
	// attempts is how often a password was refused to the account.
	attempts func(t *testing.T, a account) int
	// flawed is a server whose certificate has the flaw, and the authorities that
	// a client of it trusts.
	flawed func(t *testing.T, f flaw) (url string, roots *x509.CertPool)

	// second starts another controller of the same domain.
	second func(t *testing.T) *bed
	// pull replicates to this controller what is new on the other.
	pull func(t *testing.T, from *bed)
	// snapshot copies the controller's database, and returns what puts it back.
	snapshot func(t *testing.T) (rollBack func())

	reader   account // reads people and tombstones
	ordinary account // reads people
}

// flaw is what is wrong with a server's certificate.
type flaw string

const (
	flawExpired   flaw = "expired"
	flawAuthority flaw = "other authority"
	flawHost      flaw = "other host"
)

// account is one that can bind.
type account struct{ dn, name, password string }

func TestFake(t *testing.T) {
	server := startFake(t, fakead.Config{MaxValRange: -1})
	b := &bed{
		url: server.URL(), plainURL: server.PlainURL(), baseDN: server.BaseDN(), roots: server.RootCAs(),
		admin: account{dn: server.AdminDN(), name: server.AdminDN(), password: server.AdminPassword()},
	}
	b.grantTombstones = func(t *testing.T, a account) { require.NoError(t, server.GrantTombstones(a.dn)) }
	b.hide = func(t *testing.T, a account, dn string) { require.NoError(t, server.Hide(a.dn, dn)) }
	b.deny = func(t *testing.T, a account, dn string, attributes ...string) {
		require.NoError(t, server.Deny(a.dn, dn, attributes...))
	}
	b.allow = func(t *testing.T, a account, dn string, attributes ...string) {
		require.NoError(t, server.Allow(a.dn, dn, attributes...))
	}
	b.attempts = func(t *testing.T, a account) int {
		return server.BindAttempts(fakead.GUID(objectIDOf(t, b.bind(t, b.admin), a.dn)))
	}
	b.flawed = func(t *testing.T, f flaw) (string, *x509.CertPool) {
		flaws := map[flaw]fakead.Certificate{
			flawExpired: fakead.CertificateExpired, flawAuthority: fakead.CertificateOtherCA, flawHost: fakead.CertificateOtherName,
		}
		flawed := startFake(t, fakead.Config{Certificate: flaws[f]})
		return flawed.URL(), flawed.RootCAs()
	}
	b.replicate(server)
	b.addReaders(t)
	runSuite(t, b)
}

// replicate lets the bed have another controller, snapshots, and replication.
func (b *bed) replicate(server *fakead.Server) {
	controllers := map[*bed]*fakead.Server{b: server}
	b.second = func(t *testing.T) *bed {
		another, err := server.AddController()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, another.Close()) })
		c := *b
		c.url, c.plainURL = another.URL(), another.PlainURL()
		controllers[&c] = another
		for one := range controllers {
			one.pull = func(t *testing.T, from *bed) { require.NoError(t, controllers[one].Pull(controllers[from])) }
		}
		return &c
	}
	b.snapshot = func(*testing.T) func() {
		kept := server.Snapshot()
		return func() { server.RollBack(kept) }
	}
}

func startFake(t *testing.T, cfg fakead.Config) *fakead.Server {
	t.Helper()
	server, err := fakead.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// addReaders makes the two service accounts that the cases share.
func (b *bed) addReaders(t *testing.T) {
	t.Helper()
	b.reader = b.addAccount(t, "reader")
	b.grantTombstones(t, b.reader)
	b.ordinary = b.addAccount(t, "ordinary")
}

// addAccount makes an account with the rights of every domain user.
func (b *bed) addAccount(t *testing.T, name string) account {
	t.Helper()
	a := account{dn: "CN=" + name + ",CN=Users," + b.baseDN, name: name + "@ad.example.test", password: "S3cret-of-the-test"}
	add := ldap.NewAddRequest(a.dn, nil)
	add.Attribute("objectClass", []string{"user"})
	add.Attribute("sAMAccountName", []string{name})
	add.Attribute("userPrincipalName", []string{a.name})
	add.Attribute("userAccountControl", []string{"512"})
	add.Attribute("unicodePwd", []string{samba.EncodePassword(a.password)})
	require.NoError(t, b.bind(t, b.admin).Add(add))
	return a
}

// bind returns a connection that is closed when the test ends.
func (b *bed) bind(t *testing.T, a account) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL(b.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: b.roots}))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	conn.SetTimeout(time.Minute)
	require.NoError(t, conn.Bind(a.name, a.password))
	return conn
}

func objectIDOf(t *testing.T, conn *ldap.Conn, dn string) adsync.ObjectID {
	t.Helper()
	found, err := conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases,
		0, 0, false, "(objectClass=*)", []string{"objectGUID"}, nil))
	require.NoError(t, err)
	require.Len(t, found.Entries, 1)
	id, err := adsync.ObjectIDFromBytes(found.Entries[0].GetEqualFoldRawAttributeValue("objectGUID"))
	require.NoError(t, err)
	return id
}
