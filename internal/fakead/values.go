package fakead

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// values returns an attribute's values, those included that are computed.
func (t *tree) values(e *entry, a *attrType) []string {
	if objects, names := t.objects(e, a); names {
		return dns(objects)
	}
	switch a {
	case t.types.tokenGroups:
		return t.groupSIDs(e)
	case t.types.primaryGroupToken:
		if t.isA(e, "group") {
			return []string{strconv.FormatUint(uint64(t.rid(e)), 10)}
		}
		return nil
	}
	return e.get(a)
}

// objects are the entries that an attribute names; names is false for an
// attribute that holds anything else.
func (t *tree) objects(e *entry, a *attrType) (objects []*entry, names bool) {
	switch {
	case a == t.types.dn:
		return []*entry{e}, true
	case a.forward != nil:
		return e.linkedBy(a.forward), true
	case a == t.types.lastKnownParent:
		return e.targets(a), true
	case a.syntax == syntaxLink:
		return e.linked(a), true
	}
	return nil, false
}

func dns(entries []*entry) []string {
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.dn()
	}
	return out
}

// dnForm is how an answer spells names.
type dnForm int

const (
	dnPlain       dnForm = iota
	dnExtendedHex        // <GUID=662c…>;<SID=0105…>;CN=…, bytes as on the wire
	dnExtended           // <GUID=662cab01-…>;<SID=S-1-5-…>;CN=…
)

// dnForm reads the extended DN control ([MS-ADTS] 3.1.1.3.4.1.5). Without a value
// it means the older form, in hex.
func (r *request) dnForm() (dnForm, *result) {
	ctl := r.control(controlExtendedDN)
	if ctl == nil {
		return dnPlain, nil
	}
	if len(ctl.value) == 0 {
		return dnExtendedHex, nil
	}
	body, err := (&berReader{ctl.value}).want(tagSequence)
	if err != nil {
		return dnPlain, badControl()
	}
	flag, err := (&berReader{body}).integer(tagInteger)
	switch {
	case err != nil || flag != 0 && flag != 1:
		return dnPlain, badControl()
	case flag == 0:
		return dnExtendedHex, nil
	}
	return dnExtended, nil
}

// spell is an entry's name in that form. Objects without an objectSid, such as
// organizational units, have no SID part.
func (t *tree) spell(e *entry, form dnForm) string {
	if form == dnPlain {
		return e.dn()
	}
	id, sid := e.id.String(), e.first(t.types.objectSid)
	printed := sidText(sid)
	if form == dnExtendedHex {
		id, printed = hex.EncodeToString([]byte(e.id.Wire())), hex.EncodeToString([]byte(sid))
	}
	name := "<GUID=" + id + ">;"
	if sid != "" {
		name += "<SID=" + printed + ">;"
	}
	return name + e.dn()
}

// sidText prints a SID as S-1-5-… ([MS-DTYP] 2.4.2.1).
func sidText(sid string) string {
	if len(sid) < 8 {
		return ""
	}
	authority := uint64(0)
	for _, b := range []byte(sid[2:8]) {
		authority = authority<<8 | uint64(b)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "S-%d-%d", sid[0], authority)
	for part := range slices.Chunk([]byte(sid[8:]), 4) {
		fmt.Fprintf(&b, "-%d", binary.LittleEndian.Uint32(part))
	}
	return b.String()
}
