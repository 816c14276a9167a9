package activedirectory

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
	"github.com/go-adsync/adsync/internal/adattr"
)

// Config says where the directory is and how to read it. URLs or
// Domain, and Bind, are required; every other zero value is a safe default.
type Config struct {
	// URLs are the controllers, tried in order: ldaps://dc1.corp.example, or
	// ldap:// together with StartTLS. One that failed is tried last for a while:
	// 30 seconds, and up to 10 minutes if that goes on.
	URLs []string
	// Domain finds the controllers by SRV record instead; Site prefers those of
	// one site. DNS is not authentic: the hosts that it names must end in the domain's
	// name, and their certificates must bear both names, the host's and the domain's.
	// Those made from the template Kerberos Authentication do.
	Domain, Site string
	// HostSuffixes are other endings of the controllers' host names, such as
	// servers.example where the domain is corp.example: a disjoint namespace.
	HostSuffixes []string
	// TrustDNS takes a certificate with the host's name alone. Whoever can answer for
	// DNS and has a certificate of any host with such a name then gets the password.
	TrustDNS bool
	// BaseDN is where the search starts, with all below it. Default: the server's
	// defaultNamingContext.
	BaseDN string
	// Filter says who is in scope; others in the domain are out of scope.
	// Default: (sAMAccountType=805306368), people; with an identity that is not Active
	// Directory's it is (objectClass=person).
	Filter string
	// Bind is how to authenticate: SimpleBind, PasswordFunc or BindFunc.
	Bind Bind
	// TLS is the client configuration. Default: system roots, TLS 1.2 or newer. If it has
	// a ServerName, every controller's certificate must bear that instead of the host name
	// in the URL or DNS: with several, each of them can stand in for any other.
	TLS *tls.Config
	// StartTLS upgrades an ldap:// connection before anything is sent.
	StartTLS bool
	// AllowPlaintext permits a bind, of any kind, over a bare ldap:// connection. It is for
	// tests: what binds and all that is read go in the clear. Inspect and each plan warn of
	// it. A BindFunc that seals the connection itself, as SASL can, is no exception: that is
	// not seen from here.
	AllowPlaintext bool
	// PageSize is how many entries one page of a listing holds. Default 1000, the
	// server's own limit. Look-ups go without pages; below 128 they have such pages too.
	PageSize uint32
	// Witnesses is how many other controllers are asked about an account whose tombstone
	// one has, and about one whose user is to be reactivated: replication lags, and a
	// controller may have been put back from an old copy. Default: up to 3 of those in
	// URLs or DNS; -1: none. With one controller alone there is nobody to ask. One that
	// should not be waited for, as it is far or often down, is better left out of URLs.
	Witnesses int
	// MaxEntries is how many accounts a listing may have: one more is an error, so that a
	// server that never ends cannot take all memory. Default 10 million; -1: no limit.
	MaxEntries int
	// Timeout bounds each request, such as one page, and not the whole sync.
	// Default 30 seconds.
	Timeout time.Duration
	// Attributes maps details to attributes, by any of their names or by their OID; the
	// directory's schema says which are the same, and one that it does not know is an
	// error of the first reading. Default: those named at the fields of [adsync.Profile],
	// also for details that are left out. Any other field is a further detail, in
	// Profile.Extra. A value of white space alone is no value.
	//
	// Of an attribute with several values all are in [adsync.Entry.Others], and a plan takes
	// one: that which stands in the account's RDN, else the one that the user has, else the
	// least. Of proxyAddresses just the SMTP addresses are taken, without that prefix, and
	// the one whose prefix is in capitals before any other.
	//
	// FieldObjectID maps the identity, for directories other than Active Directory:
	// entryUUID (OpenLDAP), nsUniqueId (389 Directory Server), ipaUniqueID
	// (FreeIPA), or any that holds the text of a UUID and never changes. Such a
	// directory proves no deletion: an account that is gone is StateUnproven. Who is
	// disabled in it, DisabledBy says. BaseDN may have to be set.
	//
	// It may also be mS-DS-ConsistencyGuid, the identity that stays when an account is
	// moved to another forest: 16 bytes in the layout of an objectGUID. Accounts that lack
	// it must not be in scope, so add (mS-DS-ConsistencyGuid=*) to Filter. It is no index
	// of Active Directory's own: make it one where accounts are looked up. A deleted
	// account keeps it only where the Recycle Bin is on.
	Attributes map[adsync.Field]string
	// Sets maps further details to attributes of which all values are taken.
	Sets map[adsync.Field]string
	// References maps further details to attributes that name another object by its DN, such
	// as manager: the value is the text of that object's objectGUID. The server must have the
	// control for extended DNs, as Active Directory does.
	References map[adsync.Field]string
	// DisabledBy says how accounts tell that they are disabled. The default is Active
	// Directory's userAccountControl; where an account does not show it, because the
	// service account may not read it, [adsync.Entry.DisabledUnknown] is set: nobody is
	// created or reactivated then. With another identity there is no default, so the flag
	// is unknown for all accounts.
	DisabledBy DisabledBy
	// ExpiredIsDisabled takes accounts that have expired, by their accountExpires and the
	// controller's clock at the beginning of a reading, for disabled ones; [adsync.Entry.Expires]
	// tells the time. Where an account does not show it, [adsync.Entry.DisabledUnknown] is
	// set, unless it is known to be disabled anyhow. A plan from a mark ([adsync.Since]) also
	// looks up whose time ran out since.
	ExpiredIsDisabled bool
	// Roles are given by groups: an account has a role when it is in one of the role's
	// groups, by way of other groups or as its primary group too. See [Role].
	Roles []Role
	// TrustMembers is for directories other than Active Directory, which have no
	// tokenGroups: that no group shows an account as a member is then proof that it lost
	// the role. Without it nobody ever loses a role by such a directory.
	TrustMembers bool
	// NoDisabled says that the directory disables nobody: every account is enabled.
	NoDisabled bool
}

// DisabledBy names the attribute by which a directory tells that an account is disabled,
// and the values of it that say so, compared without regard to case. An account that has
// none of them is enabled, even one whose attribute the service account may not read: such
// a directory gives no sign of that. Examples are nsAccountLock with true (389 Directory
// Server, FreeIPA), nsRole with the DN of a role of locked accounts, and
// msDS-UserAccountDisabled with TRUE (AD LDS).
type DisabledBy struct {
	Attribute string
	Values    []string
}

// The defaults of activedirectory.Config.
const (
	defaultFilter   = "(sAMAccountType=805306368)"
	otherFilter     = "(objectClass=person)" // where there is no sAMAccountType
	defaultPageSize = 1000
	defaultEntries  = 10_000_000
	defaultTimeout  = 30 * time.Second
)

// details are the fields in the order of the values that are read.
var details = [ldapread.NumValues]adsync.Field{
	adsync.FieldUsername, adsync.FieldFirstName, adsync.FieldLastName, adsync.FieldEmail, adsync.FieldPhone,
}

// defaultAttributes are those of the details, in their order.
var defaultAttributes = [ldapread.NumValues]string{"sAMAccountName", "givenName", "sn", "mail", "telephoneNumber"}

func (cfg Config) servers() ([]ldapread.Server, error) {
	switch {
	case len(cfg.URLs) > 0 && cfg.Domain != "":
		return nil, errors.New("adsync: activedirectory.Config has both URLs and Domain; give one of them")
	case len(cfg.URLs) == 0 && cfg.Domain == "":
		return nil, errors.New("adsync: activedirectory.Config has no URLs; give ldaps://host, or a Domain")
	case cfg.Site != "" && cfg.Domain == "":
		return nil, errors.New("adsync: activedirectory.Config.Site needs a Domain")
	case !isDNSName(cfg.Domain) || !isDNSName(cfg.Site):
		return nil, errors.New("adsync: activedirectory.Config.Domain or Site is not a DNS name")
	case cfg.Domain == "" && (len(cfg.HostSuffixes) > 0 || cfg.TrustDNS):
		return nil, errors.New("adsync: activedirectory.Config.HostSuffixes and TrustDNS are for hosts that DNS names; give a Domain, or leave them out")
	case slices.ContainsFunc(cfg.HostSuffixes, func(suffix string) bool { return strings.Trim(suffix, ".") == "" || !isDNSName(suffix) }):
		return nil, errors.New("adsync: activedirectory.Config.HostSuffixes holds one that is not a DNS name; want one like servers.example")
	}
	servers := make([]ldapread.Server, 0, len(cfg.URLs))
	for i, raw := range cfg.URLs {
		s, err := ldapread.ParseURL(raw, cfg.StartTLS)
		if err != nil {
			return nil, fmt.Errorf("adsync: activedirectory.Config.URLs[%d]: %w", i, err)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

func (cfg Config) checkBind(servers []ldapread.Server) error {
	if cfg.Bind.err != nil {
		return cfg.Bind.err
	}
	if cfg.Bind.own == nil && cfg.Bind.password == nil {
		return errors.New("adsync: activedirectory.Config.Bind is missing; use SimpleBind, PasswordFunc or BindFunc")
	}
	for i, s := range servers {
		if !s.Encrypted() && !cfg.AllowPlaintext {
			return fmt.Errorf("adsync: activedirectory.Config.URLs[%d] is not encrypted: whatever binds, such as a password, and all that is read would go in the clear; use ldaps://, or set StartTLS", i)
		}
	}
	return nil
}

// reader is the part of the configuration that is the same for each controller.
func (cfg Config) reader() (ldapread.Config, error) {
	r := ldapread.Config{
		BaseDN: cfg.BaseDN, Filter: cfg.filter(), TLS: cfg.TLS,
		PageSize: cmp.Or(cfg.PageSize, defaultPageSize), Timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		Attributes: defaultAttributes, MaxEntries: cfg.maxEntries(),
		Names: new(ldapread.Names),
	}
	var err error
	if r.Flag, err = cfg.flag(); err != nil {
		return r, err
	}
	r.Flag.Expires = cfg.ExpiredIsDisabled
	if r.Roles, err = cfg.roles(); err != nil {
		return r, err
	}
	r.TrustMembers = cfg.TrustMembers
	if err := ldapread.CheckFilter(r.Filter); err != nil {
		return r, fmt.Errorf("adsync: activedirectory.Config.Filter is not an LDAP filter like (sAMAccountType=805306368): %w", err)
	}
	// A base like <GUID=...> is Active Directory's own, and no DN.
	if _, err := ldap.ParseDN(r.BaseDN); err != nil && !strings.HasPrefix(r.BaseDN, "<") {
		return r, fmt.Errorf("adsync: activedirectory.Config.BaseDN is not a distinguished name like OU=People,DC=corp,DC=example: %s", dnFault(err))
	}
	if r.PageSize > math.MaxInt32 {
		return r, errors.New("adsync: activedirectory.Config.PageSize is too big; 1000 is what controllers give")
	}
	if cfg.MaxEntries < -1 {
		return r, errors.New("adsync: activedirectory.Config.MaxEntries is negative; 0 means 10 million, and -1 no limit")
	}
	if r.Timeout < 0 {
		return r, errors.New("adsync: activedirectory.Config.Timeout is negative; 0 means 30 seconds")
	}
	for field, attribute := range cfg.Attributes {
		if field == adsync.FieldObjectID {
			r.Identity = adattr.IdentityOf(attribute)
		} else if i := slices.Index(details[:], field); i >= 0 {
			r.Attributes[i] = attribute
		}
	}
	r.Further = cfg.mapping().further
	return r, cfg.checkFurther()
}

// flag says how accounts tell that they are disabled.
func (cfg Config) flag() (ldapread.Flag, error) {
	by := cfg.DisabledBy
	isGiven := by.Attribute != "" || len(by.Values) > 0
	switch {
	case cfg.ExpiredIsDisabled && cfg.NoDisabled:
		return ldapread.Flag{}, errors.New("adsync: activedirectory.Config has both ExpiredIsDisabled and NoDisabled; give one of them")
	case cfg.ExpiredIsDisabled && !adattr.IdentityOf(cfg.Attributes[adsync.FieldObjectID]).IsActiveDirectory():
		return ldapread.Flag{}, errors.New("adsync: activedirectory.Config.ExpiredIsDisabled is for Active Directory's accountExpires; leave it out for a directory with another identity, and use DisabledBy")
	case isGiven && cfg.NoDisabled:
		return ldapread.Flag{}, errors.New("adsync: activedirectory.Config has both DisabledBy and NoDisabled; give one of them")
	case isGiven && !isAttribute(by.Attribute):
		return ldapread.Flag{}, errors.New("adsync: activedirectory.Config.DisabledBy.Attribute is not an attribute name")
	case isGiven && (len(by.Values) == 0 || slices.ContainsFunc(by.Values, isBlank)):
		return ldapread.Flag{}, errors.New("adsync: activedirectory.Config.DisabledBy.Values must say which values of the attribute mean disabled")
	case isGiven:
		flag := ldapread.Flag{Attribute: by.Attribute}
		for _, value := range by.Values {
			flag.Values = append(flag.Values, strings.ToLower(strings.TrimSpace(value)))
		}
		return flag, nil
	case cfg.NoDisabled:
		return ldapread.Flag{Never: true}, nil
	case adattr.IdentityOf(cfg.Attributes[adsync.FieldObjectID]).IsActiveDirectory():
		return ldapread.ActiveDirectoryFlag, nil
	}
	return ldapread.Flag{}, nil
}

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

// dnFault is why a text is no DN, without the part of it that may follow the colon.
func dnFault(err error) string {
	fault, _, _ := strings.Cut(err.Error(), ":")
	return fault + `; in a value, a comma is written \, and a backslash \\`
}

// maxEntries is 0 for no limit.
func (cfg Config) maxEntries() int { return max(cmp.Or(cfg.MaxEntries, defaultEntries), 0) }

func (cfg Config) witnesses() (int, error) {
	if cfg.Witnesses < -1 {
		return 0, errors.New("adsync: activedirectory.Config.Witnesses is a number of controllers, 0 for the default, or -1 for none")
	}
	return cmp.Or(cfg.Witnesses, defaultWitnesses), nil
}

func (cfg Config) filter() string {
	if adattr.IdentityOf(cfg.Attributes[adsync.FieldObjectID]).IsActiveDirectory() {
		return cmp.Or(cfg.Filter, defaultFilter)
	}
	return cmp.Or(cfg.Filter, otherFilter)
}

// isDNSName also accepts "", and lets the resolver judge the rest.
func isDNSName(s string) bool {
	return len(s) < 254 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || strings.ContainsRune("/:@\\", r) })
}

// isAttribute accepts a name or an object identifier (RFC 4512, 1.4), and no
// options.
func isAttribute(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-' && r != '.'
	})
}
