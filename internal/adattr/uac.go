package adattr

import "strconv"

// accountDisabled is ADS_UF_ACCOUNTDISABLE of userAccountControl (MS-ADTS
// 2.2.16).
const accountDisabled = 0x2

// IsDisabled reads userAccountControl, a signed decimal number of 32 bits. What is no
// number says neither that the account is disabled nor that it is not.
func IsDisabled(userAccountControl string) (disabled, ok bool) {
	bits, err := strconv.ParseInt(userAccountControl, 10, 64)
	return err == nil && bits&accountDisabled != 0, err == nil
}
