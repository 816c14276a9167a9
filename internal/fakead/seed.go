package fakead

import (
	"slices"
	"strconv"
	"strings"
)

// seed makes the domain as it is right after its first controller was
// installed, as far as a sync meets it.
func (s *Server) seed() {
	t := s.tree
	t.domain = s.makeDomain()
	users := t.create(t.domain, rdn{"CN", "Users"}, "container")
	computers := t.create(t.domain, rdn{"CN", "Computers"}, "container")
	controllers := t.create(t.domain, rdn{"OU", "Domain Controllers"}, "organizationalUnit")
	t.deleted = t.create(t.domain, rdn{"CN", "Deleted Objects"}, "container")
	t.deleted.deleted = true
	t.set(t.deleted, t.types.isDeleted, "TRUE")
	builtin := t.create(t.domain, rdn{"CN", "Builtin"}, "builtinDomain")
	principals := t.create(t.domain, rdn{"CN", "ForeignSecurityPrincipals"}, "container")
	t.lost = t.create(t.domain, rdn{"CN", "LostAndFound"}, "lostAndFound")
	for _, e := range []*entry{users, computers, controllers, t.deleted, builtin, principals, t.lost} {
		t.setName(e, "isCriticalSystemObject", "TRUE")
	}
	s.seedConfiguration()

	admin := s.seedAccount(users, "Administrator", "user", 500, uacNormal|uacNeverExpires)
	t.setPassword(admin, s.cfg.AdminPassword)
	s.seedAccount(users, "Guest", "user", 501, uacNormal|uacNoPassword|uacNeverExpires|uacDisabled)
	s.seedAccount(users, "krbtgt", "user", 502, uacNormal|uacDisabled)
	t.controllers = controllers
	s.seedController(s.name, t.invocation)
	admins := s.seedGroup(users, "Domain Admins", t.accountSID(ridDomainAdmins), admin)
	everyone := s.seedGroup(users, "Domain Users", t.accountSID(ridDomainUsers))
	s.seedGroup(users, "Domain Computers", t.accountSID(ridDomainComputers))
	s.seedBuiltin(builtin, principals, admins, everyone)
	if s.cfg.WithContact {
		contact := t.create(users, rdn{"CN", "Contact"}, "contact")
		t.setName(contact, "mail", "contact@elsewhere.example.test")
	}
}

// makeDomain hangs the domain below its DNS parents, which are no objects.
func (s *Server) makeDomain() *entry {
	t := s.tree
	labels := strings.Split(s.cfg.Domain, ".")
	above := t.apex
	for _, label := range slices.Backward(labels[1:]) {
		phantom := &entry{rdn: rdn{"DC", label}}
		phantom.hang(above)
		above = phantom
	}
	domain := t.insert(above, rdn{"DC", labels[0]})
	domain.root = domain
	t.domain = domain
	s.dress(domain, "domainDNS")
	t.set(domain, t.types.objectSid, t.accountSID(0)[:24])
	return domain
}

// dress gives a partition's root what create gives other objects.
func (s *Server) dress(e *entry, class string) {
	t := s.tree
	def := classTable[fold(class)]
	t.set(e, t.types.objectClass, def.chain...)
	t.setName(e, e.rdn.typ, e.rdn.value)
	t.setName(e, "instanceType", "5")
	t.setName(e, "whenCreated", t.stamp())
	t.set(e, t.types.name, e.rdn.value)
	t.set(e, t.types.objectGUID, e.id.Wire())
	t.set(e, t.types.objectCategory, t.categoryDN(def.category))
	t.touch(e)
}

// seedConfiguration makes the place for the controllers' own objects, the lifetime
// of tombstones, and the domain's NetBIOS name.
func (s *Server) seedConfiguration() {
	t := s.tree
	configuration := t.insert(t.domain, rdn{"CN", "Configuration"})
	configuration.root = configuration
	s.dress(configuration, "configuration")
	schema := t.insert(configuration, rdn{"CN", "Schema"})
	t.schemaRoot = schema
	schema.root = schema
	s.dress(schema, "dMD")
	at := configuration
	for _, name := range []string{"Sites", "Default-First-Site-Name", "Servers"} {
		at = t.create(at, rdn{"CN", name}, "container")
	}
	t.servers = at
	services := t.create(t.create(configuration, rdn{"CN", "Services"}, "container"), rdn{"CN", "Windows NT"}, "container")
	t.setName(t.create(services, rdn{"CN", "Directory Service"}, "nTDSService"), "tombstoneLifetime", "180")
	partitions := t.create(configuration, rdn{"CN", "Partitions"}, "container")
	ref := t.create(partitions, rdn{"CN", s.cfg.NetBIOS}, "crossRef")
	t.setName(ref, "nETBIOSName", s.cfg.NetBIOS)
	t.setName(ref, "nCName", s.baseDN)
	t.setName(ref, "dnsRoot", s.cfg.Domain)
}

// sites is where the controllers' own objects are.
const sites = "CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,"

// seedController makes the account of a controller, and the object that holds its
// invocationId.
func (s *Server) seedController(name string, invocation GUID) {
	t := s.tree
	dc := s.seedAccount(t.controllers, name, "computer", 999+uint32(s.domain.count), uacServer)
	t.setName(dc, "dNSHostName", strings.ToLower(name)+"."+s.cfg.Domain)
	settings := t.create(t.create(t.servers, rdn{"CN", name}, "server"), rdn{"CN", "NTDS Settings"}, "nTDSDSA")
	t.setName(settings, "invocationId", invocation.Wire())
}

func (s *Server) seedAccount(parent *entry, name, class string, rid uint32, control int) *entry {
	t := s.tree
	e := t.create(parent, rdn{"CN", name}, class)
	sam := name
	if class == "computer" {
		sam += "$"
	}
	t.set(e, t.types.sAMAccountName, sam)
	t.set(e, t.types.objectSid, t.accountSID(rid))
	t.set(e, t.types.userAccountControl, strconv.Itoa(control))
	t.setName(e, "isCriticalSystemObject", "TRUE")
	t.finish(e)
	return e
}

// seedBuiltin makes the groups that rights depend on, and Authenticated Users,
// who are in them.
func (s *Server) seedBuiltin(builtin, principals, admins, everyone *entry) {
	t := s.tree
	authenticated := t.create(principals, rdn{"CN", sidText(sidAuthenticated)}, "foreignSecurityPrincipal")
	t.set(authenticated, t.types.objectSid, sidAuthenticated)
	t.administrators = s.seedGroup(builtin, "Administrators", builtinSID(ridAdministrators), admins).id
	s.seedGroup(builtin, "Users", builtinSID(ridUsers), everyone, authenticated)
	t.preWindows2000 = s.seedGroup(builtin, "Pre-Windows 2000 Compatible Access", builtinSID(ridPreWindows2000), authenticated).id
}

func (s *Server) seedGroup(parent *entry, name, sid string, members ...*entry) *entry {
	t := s.tree
	e := t.create(parent, rdn{"CN", name}, "group")
	t.set(e, t.types.sAMAccountName, name)
	t.set(e, t.types.objectSid, sid)
	t.setName(e, "isCriticalSystemObject", "TRUE")
	if strings.HasPrefix(sid, builtinSID(0)[:12]) {
		t.set(e, t.types.groupType, groupBuiltinSecurity)
	}
	t.finish(e)
	t.setLinks(e, t.types.member, members)
	return e
}
