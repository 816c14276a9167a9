package ldapread

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// CheckFilter says why a text is no LDAP filter (RFC 4515), or nil. It gives positions, in
// bytes from 0, and repeats nothing of the filter, which may hold a name.
func CheckFilter(filter string) error {
	_, err := ldap.CompileFilter(filter)
	if err == nil {
		return nil
	}
	if at := badEscape(filter); at >= 0 {
		return fmt.Errorf(`at position %d, a backslash stands for itself; in a filter it is written \5c, so the \, of a DN is \5c, there`, at)
	}
	return errors.New(filterFault(filter, err) + `; in a value, ( is written \28, ) \29, * \2a and \ \5c`)
}

// badEscape is where a backslash has no two hexadecimal digits after it, or -1.
func badEscape(filter string) int {
	for i := 0; i < len(filter); i++ {
		if filter[i] != '\\' {
			continue
		}
		if i+2 >= len(filter) || !isHex(filter[i+1]) || !isHex(filter[i+2]) {
			return i
		}
		i += 2
	}
	return -1
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// filterFault is what go-ldap says, without the rest of the filter that it may repeat.
func filterFault(filter string, err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	text := strings.TrimPrefix(err.Error(), "ldap: ")
	if _, rest, found := strings.Cut(text, "extra at end: "); found {
		return fmt.Sprintf("it ends at position %d, and more follows", len(filter)-len(rest))
	}
	return text
}
