package fakead

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A filter is the parsed form of RFC 4511 4.5.1.7.
type filter struct {
	op    filterOp
	kids  []*filter
	name  string    // the attribute as sent
	attr  *attrType // nil: not in the schema
	value string    // the assertion as sent
	key   string    // the assertion, normalised
	valid bool      // the assertion has the attribute's syntax
	parts substrings
	rule  string // of an extensible match
}

type substrings struct {
	initial, final string
	any            []string
}

type filterOp byte

// The context tags of the filter choices.
const (
	filterAnd        filterOp = 0xa0
	filterOr         filterOp = 0xa1
	filterNot        filterOp = 0xa2
	filterEqual      filterOp = 0xa3
	filterSubstrings filterOp = 0xa4
	filterGreater    filterOp = 0xa5
	filterLess       filterOp = 0xa6
	filterPresent    filterOp = 0x87
	filterApprox     filterOp = 0xa8
	filterExtensible filterOp = 0xa9
)

// The matching rules of [MS-ADTS] 3.1.1.3.4.4.
const (
	ruleBitAnd  = "1.2.840.113556.1.4.803"
	ruleBitOr   = "1.2.840.113556.1.4.804"
	ruleInChain = "1.2.840.113556.1.4.1941"
)

// maxFilterDepth bounds the recursion that a client can ask for.
const maxFilterDepth = 100

var errFilter = errors.New("fakead: malformed filter")

// parseFilter reads one filter. Attributes that the schema does not have are no
// error: they make their item undefined.
func (t *tree) parseFilter(r *berReader, depth int) (*filter, error) {
	tag, body, err := r.next()
	if err != nil || depth > maxFilterDepth {
		return nil, errFilter
	}
	f := &filter{op: filterOp(tag)}
	in := &berReader{body}
	switch f.op {
	case filterAnd, filterOr, filterNot:
		for !in.empty() {
			kid, err := t.parseFilter(in, depth+1)
			if err != nil {
				return nil, err
			}
			f.kids = append(f.kids, kid)
		}
		if f.op == filterNot && len(f.kids) != 1 {
			return nil, errFilter
		}
	case filterEqual, filterGreater, filterLess, filterApprox:
		f.name, err = in.text()
		if err == nil {
			f.value, err = in.text()
		}
	case filterPresent:
		f.name = string(body)
	case filterSubstrings:
		err = f.parseSubstrings(in)
	case filterExtensible:
		err = f.parseExtensible(in)
	default:
		return nil, errFilter
	}
	if err != nil {
		return nil, errFilter
	}
	t.prepare(f)
	return f, nil
}

func (f *filter) parseSubstrings(in *berReader) error {
	var err error
	if f.name, err = in.text(); err != nil {
		return err
	}
	list, err := in.want(tagSequence)
	if err != nil {
		return err
	}
	for parts := (&berReader{list}); !parts.empty(); {
		tag, body, err := parts.next()
		if err != nil {
			return err
		}
		switch tag {
		case 0x80:
			f.parts.initial = string(body)
		case 0x81:
			f.parts.any = append(f.parts.any, string(body))
		case 0x82:
			f.parts.final = string(body)
		default:
			return errFilter
		}
	}
	return nil
}

func (f *filter) parseExtensible(in *berReader) error {
	for !in.empty() {
		tag, body, err := in.next()
		if err != nil {
			return err
		}
		switch tag {
		case 0x81:
			f.rule = string(body)
		case 0x82:
			f.name = string(body)
		case 0x83:
			f.value = string(body)
		}
	}
	return nil
}

// prepare looks up the attribute and normalises the assertion once, so that a
// search over many entries does not.
func (t *tree) prepare(f *filter) {
	if f.name == "" {
		return
	}
	f.attr = t.schema.attr(f.name)
	if f.attr == nil {
		return
	}
	f.valid = f.attr.fits(f.value)
	f.key = f.attr.key(f.value)
	if f.attr == t.types.objectCategory {
		// A class name stands for that class's own category.
		if class, ok := classTable[f.key]; ok && !strings.Contains(f.value, "=") {
			f.key = fold(t.categoryDN(class.category))
		}
	}
	f.parts.initial = fold(f.parts.initial)
	f.parts.final = fold(f.parts.final)
	for i := range f.parts.any {
		f.parts.any[i] = fold(f.parts.any[i])
	}
}

// truth is the outcome of a filter item. Undefined is neither: not even its
// negation matches (RFC 4511 4.5.1.7).
type truth int8

const (
	isFalse   truth = -1
	undefined truth = 0
	isTrue    truth = 1
)

// eval tells whether the entry matches as this viewer sees it.
func (v *viewer) eval(f *filter, e *entry) truth {
	switch f.op {
	case filterAnd:
		all := isTrue
		for _, kid := range f.kids {
			if all = min(all, v.eval(kid, e)); all == isFalse {
				break
			}
		}
		return all
	case filterOr:
		one := isFalse
		for _, kid := range f.kids {
			if one = max(one, v.eval(kid, e)); one == isTrue {
				break
			}
		}
		return one
	case filterNot:
		return -v.eval(f.kids[0], e)
	}
	switch {
	case v.broken || f.attr == nil:
		return undefined
	case !v.reads(e, f.attr) && f.attr != v.tree.types.dn:
		// What may not be read counts as absent, so its negation matches. That an
		// object has a class, a name and an identity is no secret.
		return truthOf(f.op == filterPresent && f.attr.always)
	case f.op == filterPresent:
		return truthOf(f.attr == v.tree.types.dn || len(v.tree.values(e, f.attr)) > 0)
	}
	return v.item(f, e)
}

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// item evaluates a comparison with the entry's values.
func (v *viewer) item(f *filter, e *entry) truth {
	switch {
	case f.op == filterSubstrings:
		return truthOf(slices.ContainsFunc(v.tree.values(e, f.attr), f.matchSubstrings))
	case f.op == filterExtensible && f.rule != "":
		return v.extensible(f, e)
	case !f.valid:
		return undefined
	case f.attr.syntax == syntaxLink || f.attr == v.tree.types.dn:
		return truthOf(v.tree.linkMatches(f, e))
	}
	return truthOf(slices.ContainsFunc(e.get(f.attr), f.matchValue))
}

// linkMatches compares objects rather than texts: a DN is only their name.
func (t *tree) linkMatches(f *filter, e *entry) bool {
	target := t.named(f.value)
	if target == nil || f.op == filterGreater || f.op == filterLess {
		return false
	}
	switch {
	case f.attr.forward != nil:
		return !target.deleted && slices.Contains(targetsIn(e.back, f.attr.forward), target)
	case f.attr == t.types.member: // a person has few groups, a group many members
		return !target.deleted && slices.Contains(targetsIn(target.back, f.attr), e)
	}
	objects, _ := t.objects(e, f.attr)
	return slices.Contains(objects, target)
}

// matchValue compares one value by equality or order.
func (f *filter) matchValue(v string) bool {
	switch f.op {
	case filterEqual, filterApprox, filterExtensible:
		if f.attr.syntax == syntaxText {
			return equalFold(v, f.key)
		}
		return f.attr.key(v) == f.key
	case filterGreater:
		return f.attr.compare(v, f.key) >= 0
	case filterLess:
		return f.attr.compare(v, f.key) <= 0
	}
	return false
}

// equalFold compares a stored value with a folded one, without making a copy
// of the usual ASCII value.
func equalFold(v, folded string) bool {
	if len(v) == len(folded) && strings.EqualFold(v, folded) {
		return true
	}
	return fold(v) == folded
}

// compare orders two values of the attribute.
func (t *attrType) compare(a, b string) int {
	if t.syntax == syntaxInteger {
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	return strings.Compare(t.key(a), t.key(b))
}

func (f *filter) matchSubstrings(v string) bool {
	if f.attr.syntax != syntaxExact && f.attr.syntax != syntaxOctets {
		v = fold(v)
	}
	rest, ok := strings.CutPrefix(v, f.parts.initial)
	if !ok {
		return false
	}
	for _, part := range f.parts.any {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return strings.HasSuffix(rest, f.parts.final)
}

// extensible evaluates the rules that Active Directory is used with. Any other
// is undefined.
func (v *viewer) extensible(f *filter, e *entry) truth {
	switch f.rule {
	case ruleBitAnd, ruleBitOr:
		if f.attr.syntax != syntaxInteger || !f.valid {
			return undefined
		}
		return truthOf(slices.ContainsFunc(e.get(f.attr), f.matchBits))
	case ruleInChain:
		switch {
		case f.attr.syntax != syntaxLink:
			return undefined
		case !f.valid:
			return isFalse
		}
		return v.chained(e, v.tree.named(f.value), f.attr, map[*entry]bool{e: true})
	}
	return undefined
}

func (f *filter) matchBits(v string) bool {
	have, _ := strconv.ParseInt(v, 10, 64)
	want, _ := strconv.ParseInt(f.key, 10, 64)
	if f.rule == ruleBitAnd {
		return have&want == want
	}
	return have&want != 0
}

// String is the filter as text, for the log of requests.
func (f *filter) String() string {
	var b strings.Builder
	f.write(&b)
	return b.String()
}

func (f *filter) write(b *strings.Builder) {
	b.WriteByte('(')
	switch f.op {
	case filterAnd, filterOr, filterNot:
		b.WriteByte(map[filterOp]byte{filterAnd: '&', filterOr: '|', filterNot: '!'}[f.op])
		for _, kid := range f.kids {
			kid.write(b)
		}
	case filterEqual:
		b.WriteString(f.name + "=" + escapeAssertion(f.value))
	case filterApprox:
		b.WriteString(f.name + "~=" + escapeAssertion(f.value))
	case filterGreater:
		b.WriteString(f.name + ">=" + escapeAssertion(f.value))
	case filterLess:
		b.WriteString(f.name + "<=" + escapeAssertion(f.value))
	case filterPresent:
		b.WriteString(f.name + "=*")
	case filterSubstrings:
		b.WriteString(f.name + "=" + escapeAssertion(f.parts.initial) + "*")
		for _, part := range f.parts.any {
			b.WriteString(escapeAssertion(part) + "*")
		}
		b.WriteString(escapeAssertion(f.parts.final))
	case filterExtensible:
		b.WriteString(f.name + ":" + f.rule + ":=" + escapeAssertion(f.value))
	}
	b.WriteByte(')')
}

// escapeAssertion writes what is not plain text as RFC 4515 has it.
func escapeAssertion(v string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		if c < 0x20 || c >= 0x7f || c == '*' || c == '(' || c == ')' || c == '\\' {
			b.WriteString(`\` + string(hex[c>>4]) + string(hex[c&15]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
