package ldapread

import (
	"context"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// A filter on membership is evaluated with the rights of the service account. It silently
// misses those who are in the group only by way of a group that is hidden from the
// account. With the rule for nested groups, a Samba controller also ends the whole scan at
// the first person who is in a hidden group: with success where an index narrows the
// search, so that the answer looks complete, and with result 1 (operationsError)
// otherwise. So a person whom such a filter misses is out of scope only if her
// tokenGroups, which a base search reads whole, say so too. One who would be in scope by
// her tokenGroups, or whose tokenGroups cannot be read, is Unproven.

// membershipTerm finds the parts of a filter that ask for memberOf, by name or OID. A
// value has no parentheses of its own (RFC 4515, 3).
var membershipTerm = regexp.MustCompile(`(?i)\(\s*(?:memberOf|1\.2\.840\.113556\.1\.2\.102)(?:;[^:=()]*)?(:[^=()]*)?\s*([~<>]?)=([^()]*)\)`)

// inChain is the matching rule for nested groups.
const inChain = ":1.2.840.113556.1.4.1941:"

// membership are the parts of a filter that ask for memberOf.
type membership struct {
	filter string
	terms  []term
}

// term is filter[from:to].
type term struct {
	from, to int
	group    string // its DN; "" if the term asks for anything other than one group
}

func membershipOf(filter string) membership {
	m := membership{filter: filter}
	for _, at := range membershipTerm.FindAllStringSubmatchIndex(filter, -1) {
		t := term{from: at[0], to: at[1]}
		rule, operator, value := "", filter[at[4]:at[5]], filter[at[6]:at[7]]
		if at[2] >= 0 {
			rule = filter[at[2]:at[3]]
		}
		if (rule == "" || rule == inChain) && operator == "" && !strings.Contains(value, "*") {
			t.group = unescape(value)
		}
		m.terms = append(m.terms, t)
	}
	return m
}

// unescape reads the value of a filter, whose special characters are \ and two hex digits.
func unescape(value string) string {
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+2 < len(value) {
			if c, err := hex.DecodeString(value[i+1 : i+3]); err == nil {
				b.WriteByte(c[0])
				i += 2
				continue
			}
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// nests reports whether the filter uses the rule for nested groups.
func (m membership) nests() bool { return strings.Contains(m.filter, inChain) }

// given is the filter with the truth of each term in its place: 't' or 'f'.
func (m membership) given(truth string) string {
	constant := map[byte]string{'t': "(objectClass=*)", 'f': "(!(objectClass=*))"}
	var b strings.Builder
	from := 0
	for i, t := range m.terms {
		b.WriteString(m.filter[from:t.from])
		b.WriteString(constant[truth[i]])
		from = t.to
	}
	b.WriteString(m.filter[from:])
	return b.String()
}

// lookOutside is lookUp for those whom a filter on membership missed.
func (s *session) lookOutside(ctx context.Context, ids []adattr.GUID, step lookUp, m membership, each func(*Account) error) (missing []adattr.GUID, err error) {
	var outside []Account
	missing, err = s.lookUp(ctx, ids, step, func(a *Account) error {
		outside = append(outside, *a)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return missing, s.judgeOutside(ctx, m, outside, each)
}

// judgeOutside hands over accounts that are alive and that the filter missed: OutOfScope
// or Unproven.
func (s *session) judgeOutside(ctx context.Context, m membership, outside []Account, each func(*Account) error) error {
	if len(outside) == 0 {
		return nil
	}
	truths, err := s.truths(ctx, m, outside)
	if err != nil {
		return err
	}
	base, err := s.base()
	if err != nil {
		return err
	}
	inScope := map[adattr.GUID]bool{}
	for _, truth := range slices.Compact(slices.Sorted(slices.Values(truths))) {
		var ids []adattr.GUID
		for i := range outside {
			if truths[i] == truth {
				ids = append(ids, outside[i].GUID)
			}
		}
		step := lookUp{base: base, state: OutOfScope}
		if truth != "" { // otherwise whoever is below the base may be in scope
			step.filter = m.given(truth)
		}
		_, err := s.lookUp(ctx, distinctGUIDs(ids), step, func(a *Account) error {
			inScope[a.GUID] = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i := range outside {
		if inScope[outside[i].GUID] {
			outside[i].State = Unproven
		}
		if err := each(&outside[i]); err != nil {
			return err
		}
	}
	return nil
}

func distinctGUIDs(ids []adattr.GUID) []adattr.GUID {
	slices.SortFunc(ids, func(a, b adattr.GUID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// truths are the truth of each term by each account's tokenGroups, or "" where it is not
// known.
func (s *session) truths(ctx context.Context, m membership, accounts []Account) ([]string, error) {
	truths := make([]string, len(accounts))
	sids := make([]string, len(m.terms))
	for i, t := range m.terms {
		sid, err := s.securityGroup(ctx, t.group)
		if sid == "" || err != nil {
			return truths, err
		}
		sids[i] = sid
	}
	for i := range accounts {
		groups, err := s.tokenGroups(ctx, accounts[i].DN)
		if err != nil {
			return nil, err
		}
		if len(groups) == 0 { // an account is always in its primary group at least
			continue
		}
		truth := make([]byte, len(sids))
		for k, sid := range sids {
			truth[k] = 'f'
			if slices.Contains(groups, sid) {
				truth[k] = 't'
			}
		}
		truths[i] = string(truth)
	}
	return truths, nil
}

// securityGroup returns the SID of a group, or "" where tokenGroups cannot tell of it,
// because it is hidden or a distribution group.
func (s *session) securityGroup(ctx context.Context, dn string) (sid string, err error) {
	if dn == "" {
		return "", nil
	}
	e, err := s.readOne(ctx, "reading a group of the filter", dn, "objectSid", "groupType")
	if e == nil || err != nil {
		return "", err
	}
	const security = "-" // the highest bit of groupType, which is a signed number ([MS-ADTS] 2.2.12)
	if !strings.HasPrefix(e.GetEqualFoldAttributeValue("groupType"), security) {
		return "", nil
	}
	return string(e.GetEqualFoldRawAttributeValue("objectSid")), nil
}

// tokenGroups returns the SIDs of all security groups that the account is in, nested ones
// and the primary group too ([MS-ADTS] 3.1.1.4.5.19), or none where they cannot be read.
func (s *session) tokenGroups(ctx context.Context, dn string) ([]string, error) {
	e, err := s.readOne(ctx, "reading tokenGroups", dn, "tokenGroups")
	if e == nil || err != nil {
		return nil, err
	}
	var sids []string
	for _, sid := range e.GetEqualFoldRawAttributeValues("tokenGroups") {
		sids = append(sids, string(sid))
	}
	return sids, nil
}

// readOne reads an object by its DN. One that is hidden from the account reads as absent.
func (s *session) readOne(ctx context.Context, doing, dn string, attributes ...string) (*ldap.Entry, error) {
	return s.readOneWith(ctx, doing, dn, nil, attributes...)
}

func (s *session) readOneWith(ctx context.Context, doing, dn string, controls []ldap.Control, attributes ...string) (*ldap.Entry, error) {
	result, err := s.searchEntries(ctx, doing, ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=*)", attributes, controls))
	if isUnreadable(err) || ldap.IsErrorWithCode(err, ldap.LDAPResultUnavailable) { // as of another domain
		s.spent = false // it answered, and that is the answer
		return nil, nil
	}
	if err != nil || len(result.Entries) != 1 {
		return nil, err
	}
	return result.Entries[0], nil
}

const filterNests = "Filter uses the rule for nested groups, and a server ends such a search, with success, at the first person who is also in a group that this service account may not see: whoever it misses is unproven unless her tokenGroups can be read; keep the people in an OU, or filter on an attribute of their own"

const filterMembership = "Filter asks for membership, of which a service account sees only what it may read: whoever it misses is unproven unless her tokenGroups can be read; keep the people in an OU, or filter on an attribute of their own"
