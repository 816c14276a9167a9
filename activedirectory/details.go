package activedirectory

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-adsync/adsync"
	"github.com/go-adsync/adsync/activedirectory/internal/ldapread"
)

// mapping says which details accounts have, and where they are in an Account.
type mapping struct {
	fields  []adsync.Field     // the five, and the further ones in ascending order
	further []ldapread.Further // of those
}

// mapping is what the configuration says of further details.
func (cfg Config) mapping() mapping {
	found := map[adsync.Field]ldapread.Further{}
	for kind, attributes := range cfg.furtherMaps() {
		for f, attribute := range attributes {
			if isFurther(f) {
				found[f] = ldapread.Further{Attribute: attribute, Kind: ldapread.ValueKind(kind)}
			}
		}
	}
	m := mapping{fields: slices.Clone(details[:])}
	for _, f := range slices.Sorted(maps.Keys(found)) {
		m.fields, m.further = append(m.fields, f), append(m.further, found[f])
	}
	return m
}

// furtherMaps are the maps of attributes by the kind of their values.
func (cfg Config) furtherMaps() [3]map[adsync.Field]string {
	return [...]map[adsync.Field]string{ldapread.Text: cfg.Attributes, ldapread.Set: cfg.Sets, ldapread.Reference: cfg.References}
}

// isFurther reports whether the field is a detail in Profile.Extra.
func isFurther(f adsync.Field) bool { return adsync.Profile{}.With(f, "x").Extra != adsync.Extra{} }

func (cfg Config) checkFurther() error {
	names := [...]string{ldapread.Text: "Attributes", ldapread.Set: "Sets", ldapread.Reference: "References"}
	mapped := map[adsync.Field]bool{}
	var errs []error
	for kind, attributes := range cfg.furtherMaps() {
		for _, f := range slices.Sorted(maps.Keys(attributes)) {
			inOwnPlace := kind == int(ldapread.Text) && (f == adsync.FieldObjectID || slices.Contains(details[:], f))
			switch {
			case f == adsync.FieldRoles || f == adsync.FieldHostRoles:
				errs = append(errs, fmt.Errorf("adsync: activedirectory.Config.%s: roles come from groups; use Roles", names[kind]))
			case !inOwnPlace && !isFurther(f):
				errs = append(errs, fmt.Errorf("adsync: activedirectory.Config.%s: %q is not a detail that it can hold", names[kind], f))
			case !isAttribute(attributes[f]):
				errs = append(errs, fmt.Errorf("adsync: activedirectory.Config.%s: %s is mapped to something that is not an attribute name", names[kind], f))
			case mapped[f]:
				errs = append(errs, fmt.Errorf("adsync: activedirectory.Config.%s: %s is mapped already; map it once, in one of Attributes, Sets and References", names[kind], f))
			}
			mapped[f] = true
		}
	}
	return errors.Join(errs...)
}

// traits are those of a directory with these details and roles.
func (m *mapping) traits(roles []string) adsync.Traits {
	t := adsync.Traits{Apart: true}
	if len(roles) > 0 {
		t.Roles = slices.Clone(roles)
	}
	if len(m.further) == 0 {
		return t
	}
	t.Fields = slices.Clone(m.fields)
	for i, further := range m.further {
		if further.Kind == ldapread.Set {
			t.Sets = append(t.Sets, m.fields[len(details)+i])
		}
	}
	return t
}

// entry is what the account says.
func (m *mapping) entry(a *ldapread.Account) adsync.Entry {
	v := &a.Values
	disabled, unknown := a.IsDisabled()
	e := adsync.Entry{
		ObjectID: adsync.ObjectID(a.GUID),
		Profile:  adsync.Profile{Username: v[0], FirstName: v[1], LastName: v[2], Email: v[3], Phone: v[4]},
		State:    states[a.State], Disabled: disabled, DisabledUnknown: unknown, DN: a.DN,
		Expires: adsync.MomentOf(a.Expires), DeletedAt: adsync.MomentOf(a.DeletedAt),
	}
	if len(a.More) > 0 {
		e.Extra, e.Others = m.extras(a.More)
	}
	return e
}

// extras are the further details, and those of which there are several values.
func (m *mapping) extras(more []ldapread.More) (extra, others adsync.Extra) {
	values, marked := map[adsync.Field][]string{}, map[adsync.Field][]string{}
	for _, v := range more {
		f := m.fields[v.Of]
		values[f] = append(values[f], v.Text)
		if v.Marked {
			marked[f] = []string{v.Text}
		}
	}
	several := map[adsync.Field][]string{}
	for i, f := range m.fields {
		isOne := i < len(details) || m.further[i-len(details)].Kind != ldapread.Set
		if isOne && len(values[f]) > 1 {
			several[f] = values[f]
			delete(values, f)
		}
	}
	maps.Copy(values, marked)
	return adsync.NewExtra(values), adsync.NewExtra(several)
}
