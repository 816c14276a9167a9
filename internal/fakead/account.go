package fakead

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bits of userAccountControl that the server reads ([MS-ADTS] 2.2.16).
const (
	uacDisabled     = 0x0002
	uacNoPassword   = 0x0020
	uacNormal       = 0x0200
	uacWorkstation  = 0x1000
	uacServer       = 0x2000
	uacNewUser      = uacNormal | uacNoPassword | uacDisabled
	uacNeverExpires = 0x10000
)

// The values of sAMAccountType ([MS-ADTS] 2.2.9).
const (
	samUser    = "805306368"
	samMachine = "805306369"
	samGroup   = "268435456"
	samAlias   = "536870912"
)

const (
	groupGlobalSecurity  = "-2147483646"
	groupBuiltinSecurity = "-2147483643"
	never                = "9223372036854775807"
)

// control is userAccountControl as a number.
func (t *tree) control(e *entry) int64 {
	n, _ := strconv.ParseInt(e.first(t.types.userAccountControl), 10, 64)
	return n
}

func (t *tree) isA(e *entry, class string) bool {
	return slices.ContainsFunc(e.get(t.types.objectClass), func(c string) bool { return strings.EqualFold(c, class) })
}

// create makes an object with everything that the server itself gives it.
func (t *tree) create(parent *entry, name rdn, class string) *entry {
	def := classTable[fold(class)]
	e := t.insert(parent, name)
	t.set(e, t.types.objectClass, def.chain...)
	t.setName(e, name.typ, name.value)
	t.setShared(e, t.schema.attr("instanceType"), "4")
	t.setName(e, "whenCreated", t.stamp())
	t.set(e, t.types.name, name.value)
	t.set(e, t.types.objectGUID, e.id.Wire())
	t.setShared(e, t.types.objectCategory, t.categoryDN(def.category))
	t.touch(e)
	t.setName(e, "uSNCreated", e.first(t.types.usnChanged))
	return e
}

func (t *tree) categoryDN(name string) string {
	return "CN=" + name + ",CN=Schema,CN=Configuration," + t.domain.dn()
}

// finish gives an account what follows from its attributes.
func (t *tree) finish(e *entry) {
	switch {
	case t.isA(e, "user"):
		t.fallback(e, "userAccountControl", strconv.Itoa(uacNewUser))
		t.fallback(e, "primaryGroupID", map[bool]string{false: "513", true: "515"}[t.isA(e, "computer")])
		for _, zero := range []string{"badPwdCount", "codePage", "countryCode", "lastLogon", "logonCount", "pwdLastSet"} {
			t.fallback(e, zero, "0")
		}
		t.fallback(e, "accountExpires", never)
	case t.isA(e, "group"):
		t.fallback(e, "groupType", groupGlobalSecurity)
	default:
		return
	}
	if e.first(t.types.sAMAccountName) == "" {
		t.set(e, t.types.sAMAccountName, t.randomSAM())
	}
	if e.first(t.types.objectSid) == "" {
		t.set(e, t.types.objectSid, t.nextSID())
	}
	t.retype(e)
}

func (t *tree) fallback(e *entry, name, value string) {
	if a := t.schema.attr(name); e.first(a) == "" {
		t.setShared(e, a, value)
	}
}

// retype derives sAMAccountType.
func (t *tree) retype(e *entry) {
	switch {
	case t.isA(e, "group"):
		kind := samGroup
		if n, _ := strconv.ParseInt(e.first(t.schema.attr("groupType")), 10, 64); n&4 != 0 {
			kind = samAlias
		}
		t.setShared(e, t.types.sAMAccountType, kind)
	case t.control(e)&(uacWorkstation|uacServer) != 0:
		t.setShared(e, t.types.sAMAccountType, samMachine)
	case t.isA(e, "user"):
		t.setShared(e, t.types.sAMAccountType, samUser)
	}
}

// setPassword changes what a bind takes, and when it was changed.
func (t *tree) setPassword(e *entry, password string) {
	e.password = password
	t.mark(e, t.types.unicodePwd)
	t.setName(e, "pwdLastSet", strconv.FormatInt(fileTime(t.now()), 10))
}

// fileTime counts 100 ns ticks since 1601.
func fileTime(at time.Time) int64 { return at.UnixNano()/100 + 116444736000000000 }

// FileTime is a time as accountExpires has it.
func FileTime(at time.Time) string { return strconv.FormatInt(fileTime(at), 10) }

// number is an attribute's value as a number; 0 without one.
func (t *tree) number(e *entry, attribute string) int64 {
	n, _ := strconv.ParseInt(e.first(t.schema.attr(attribute)), 10, 64)
	return n
}

// randomSAM is the name of an account that was given none.
func (t *tree) randomSAM() string {
	var b [9]byte
	mustRead(t.random, b[:])
	return fmt.Sprintf("$%s-%s", strings.ToUpper(hex.EncodeToString(b[:3])), strings.ToUpper(hex.EncodeToString(b[3:])))
}

// unique refuses a name that another live account has.
func (t *tree) unique(e *entry, a *attrType, value string) *result {
	for _, other := range t.index[a][a.key(value)] {
		if other == e || other.deleted {
			continue
		}
		if a == t.types.sAMAccountName {
			return failure(resultEntryAlreadyExists, "00000524: UpdErr: DSID-031A11E2, problem 6005 (ENTRY_EXISTS), data 0\n")
		}
		return failure(resultConstraintViolation, "000021C8: AtrErr: DSID-03200EEB, #1:\n\t0: 000021C8: DSID-03200EEB, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 90290 (userPrincipalName)\n")
	}
	return nil
}
