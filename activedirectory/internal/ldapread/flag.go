package ldapread

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-adsync/adsync/internal/adattr"
)

// Flag says how the accounts of a directory tell that they are disabled. The zero value is
// for a directory for which that is not known: it is then unknown for each account.
type Flag struct {
	Attribute string
	// Values are those that mean disabled, in lower case; an account that has none of them
	// is enabled. Without any, the attribute is like userAccountControl, a number that
	// every account has: where it is not seen, it could not be read.
	Values []string
	// Never is a directory that disables nobody.
	Never bool
	// Expires also reads when accounts expire, from accountExpires.
	Expires bool
}

// ActiveDirectoryFlag is the one of a domain controller.
var ActiveDirectoryFlag = Flag{Attribute: "userAccountControl"}

// wanted are the attributes to ask for.
func (f *Flag) wanted() []string {
	var names []string
	if f.Attribute != "" {
		names = append(names, f.Attribute)
	}
	if f.Expires {
		names = append(names, accountExpires)
	}
	return names
}

// isBits reports a number of which one bit counts.
func (f *Flag) isBits() bool { return f.Attribute != "" && len(f.Values) == 0 }

// absent reports whether it is unknown for an account that does not show the attribute.
func (f *Flag) absent() (unknown bool) { return !f.Never && len(f.Values) == 0 }

// tell takes one value of the attribute, and reports whether another may say more.
func (f *Flag) tell(a *Account, value []byte) (more bool) {
	if f.isBits() {
		disabled, isNumber := adattr.IsDisabled(string(value))
		a.Disabled, a.DisabledUnknown = disabled, !isNumber
		return false
	}
	a.Disabled = a.Disabled || slices.Contains(f.Values, strings.ToLower(string(bytes.TrimSpace(value))))
	return !a.Disabled
}

// missing says for how many of the first accounts it is unknown whether they are disabled,
// and what to do about it. It is empty if it is known for all.
func (f *Flag) missing(unknown, accounts int) string {
	switch {
	case unknown == 0:
		return ""
	case f.Attribute == "":
		return "whether an account is disabled: nothing says how this directory tells it, so nobody is created, reactivated, or removed for it: set DisabledBy, or NoDisabled if it disables nobody"
	}
	return fmt.Sprintf("%d of the first %d accounts do not show %s, so whether they are disabled is unknown, and they are neither created nor reactivated, nor removed for it: grant the service account Read on that attribute, which is in the property set Account Restrictions",
		unknown, accounts, f.Attribute)
}
