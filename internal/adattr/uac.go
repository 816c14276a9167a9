package adattr

import "strconv"

// accountDisabled is ADS_UF_ACCOUNTDISABLE of userAccountControl (MS-ADTS
// 2.2.16).
const accountDisabled = 0x2

// IsDisabled reads userAccountControl, a signed decimal number of 32 bits. What
// is missing or no number says nothing, so it does not disable anybody.
func IsDisabled(userAccountControl string) bool {
	bits, err := strconv.ParseInt(userAccountControl, 10, 64)
	return err == nil && bits&accountDisabled != 0
}
