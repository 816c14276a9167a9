package ldapread

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Further is a detail beyond the five.
type Further struct {
	Attribute string // by any of its names or OIDs
	Kind      ValueKind
}

// ValueKind is what the values of a Further are.
type ValueKind uint8

// The kinds of a Further.
const (
	Text      ValueKind = iota // one; of several, the reader of the Account chooses
	Set                        // any number
	Reference                  // DNs, read as the objectGUIDs of what they name
)

// More is a value of a further detail, or one of several of one of the five.
type More struct {
	Of     int // the detail: below NumValues one of the five, from there on Config.Further
	Text   string
	Marked bool // of several of a further detail: the directory marks this one
}

// isWide reports whether the attribute may have more to say than one text of the five.
func (c *Config) isWide(name []byte) bool {
	for i := range c.Further {
		if equalFold(name, c.Further[i].Attribute) {
			return true
		}
	}
	return equalFold(name, proxyAddresses)
}

// takeAll takes all values of an attribute, under the name that the server gave it.
func (c *Config) takeAll(a *Account, fullName string, values [][]byte) error {
	name := withoutRange(fullName)
	is := func(mapped string) bool { return strings.EqualFold(name, mapped) }
	isFurther := func(f Further) bool { return is(f.Attribute) }
	if !slices.ContainsFunc(c.Attributes[:], is) && !slices.ContainsFunc(c.Further, isFurther) {
		return nil
	}
	if rangeEnd(fullName) >= 0 {
		a.inParts = append(a.inParts, name)
		return nil
	}
	texts := c.texts(values)
	choice, marked := choiceOf(a.DN, name, texts)
	for i, mapped := range c.Attributes {
		if !is(mapped) || len(choice) == 0 {
			continue
		}
		a.Values[i] = marked
		if len(choice) == 1 {
			a.Values[i] = choice[0]
			continue
		}
		for _, text := range choice {
			a.More = append(a.More, More{Of: i, Text: text})
		}
	}
	for j, further := range c.Further {
		if !isFurther(further) {
			continue
		}
		mine := texts
		switch further.Kind {
		case Text:
			mine = choice
		case Reference:
			var err error
			if mine, err = references(values); err != nil {
				return err
			}
		}
		for _, text := range mine {
			a.More = append(a.More, More{Of: NumValues + j, Text: text, Marked: further.Kind == Text && text == marked})
		}
	}
	return nil
}

// texts are the values that say something, as valid UTF-8, each once.
func (c *Config) texts(values [][]byte) []string {
	var texts []string
	for _, value := range values {
		if !isPresent(value) {
			continue
		}
		text := strings.ToValidUTF8(string(value), "\uFFFD")
		if c.extended() {
			text = plainDN(text)
		}
		if !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// proxyAddresses holds addresses of several kinds, SMTP in capitals before the one that
// a mailbox answers with ([MS-ADA3] 2.117).
const proxyAddresses = "proxyAddresses"

// choiceOf are the texts among which one is to be chosen, and the one of them that the
// directory itself marks, if it does: that of proxyAddresses, or the one in the RDN.
func choiceOf(dn, name string, texts []string) (choice []string, marked string) {
	if strings.EqualFold(name, proxyAddresses) {
		return addressesOf(texts)
	}
	if len(texts) < 2 {
		return texts, ""
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return texts, ""
	}
	for _, part := range parsed.RDNs[0].Attributes {
		if strings.EqualFold(part.Type, name) && slices.Contains(texts, part.Value) {
			return texts, part.Value
		}
	}
	return texts, ""
}

func addressesOf(texts []string) (addresses []string, primary string) {
	const smtp = "smtp:"
	for _, text := range texts {
		if len(text) <= len(smtp) || !strings.EqualFold(text[:len(smtp)], smtp) || !isPresent([]byte(text[len(smtp):])) {
			continue
		}
		address := text[len(smtp):]
		if text[:len(smtp)] == strings.ToUpper(smtp) && primary == "" {
			primary = address
		}
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses, primary
}

// IsUnnumbered reports whether a further detail may change without the number of its
// account, as what is computed from other objects, or names them, does when those change.
func (c *Config) IsUnnumbered() bool {
	return slices.ContainsFunc(c.Further, func(f Further) bool {
		name := strings.ToLower(f.Attribute)
		return f.Kind == Reference || !baseNames[name] || name == "manager" || name == "memberof"
	})
}

// extended reports whether DNs are asked for together with the objectGUIDs.
func (c *Config) extended() bool {
	return slices.ContainsFunc(c.Further, func(f Further) bool { return f.Kind == Reference })
}

// plainDN is a DN without what the control for extended ones puts before it.
func plainDN(dn string) string {
	for strings.HasPrefix(dn, "<GUID=") || strings.HasPrefix(dn, "<SID=") {
		_, rest, found := strings.Cut(dn, ">;")
		if !found {
			return dn
		}
		dn = rest
	}
	return dn
}

var errReference = errors.New("an attribute of Config.References came without the objectGUID of what it names; map one that holds DNs, or map it as a text with Attributes")

// references are the objectGUIDs that extended DNs begin with.
func references(values [][]byte) ([]string, error) {
	var texts []string
	for _, value := range values {
		if !isPresent(value) {
			continue
		}
		text, found := strings.CutPrefix(string(value), "<GUID=")
		text, _, closed := strings.Cut(text, ">")
		guid, err := adattr.ParseGUID(text)
		if !found || !closed || err != nil {
			return nil, errReference
		}
		if text = guid.String(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts, nil
}

var errNoReferences = errors.New("the server does not tell the objectGUID of what a DN names (control " + controlExtendedDN + "), which Config.References needs; map the attribute as a text with Attributes")

var errParts = fmt.Errorf("the server sent the values of an attribute in more than %d parts, or not in their order; map a smaller attribute, or try another controller", maxRanges)

// complete judges whether an account has expired, and reads the attributes of which the
// values came in part, because there are very many. No part is asked for before the server has answered with one: Samba has none,
// and would send nothing.
func (s *session) complete(ctx context.Context, a *Account) error {
	a.judgeExpiry(s.asOf)
	parts := a.inParts
	a.inParts = nil
	for _, name := range parts {
		values, err := s.readParts(ctx, a.DN, name)
		if err != nil {
			return err
		}
		if err := s.cfg.takeAll(a, name, values); err != nil {
			return s.complain(doing, err)
		}
	}
	return nil
}

func (s *session) readParts(ctx context.Context, dn, name string) (values [][]byte, err error) {
	asked := name
	for range maxRanges {
		e, err := s.readOneWith(ctx, doing, dn, s.extendedDN(), asked)
		if err != nil {
			return nil, err
		}
		part, last := rangeOf(e, name, len(values))
		if len(part) == 0 {
			break
		}
		values = append(values, part...)
		if last < 0 {
			return values, nil
		}
		if last != len(values)-1 {
			break
		}
		asked = name + ";range=" + strconv.Itoa(len(values)) + "-*"
	}
	return nil, s.complain(doing, errParts)
}

// rangeOf are the values that an entry has of an attribute, from number first on, and the
// number of the last of them, which is negative if there are no more.
func rangeOf(e *ldap.Entry, name string, first int) (values [][]byte, last int) {
	if e == nil {
		return nil, -1
	}
	for _, a := range e.Attributes {
		options := a.Name[len(withoutRange(a.Name)):]
		if len(a.ByteValues) == 0 || !strings.EqualFold(withoutRange(a.Name), name) {
			continue
		}
		if from, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(options), ";range="), "-"); options != "" && from != strconv.Itoa(first) {
			return nil, -1
		}
		return a.ByteValues, rangeEnd(a.Name)
	}
	return nil, -1
}

// extendedDN is the control that asks for the objectGUID with each DN, if that is needed.
func (s *session) extendedDN() []ldap.Control {
	if !s.cfg.extended() {
		return nil
	}
	return []ldap.Control{ldap.NewControlString(controlExtendedDN, false, dashedForm)}
}
