package ldapread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-adsync/adsync/internal/fakead"
)

func refused(text string) error {
	return ldap.NewError(ldap.LDAPResultInvalidCredentials, errors.New(text))
}

// Each reason in words, and always with the code, which can be looked up. Only a wrong
// password, or no reason at all, speaks against the password.
func TestRefusal_InWords(t *testing.T) {
	const accept = "80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data %s, v3839 CN=Ada"
	tests := []struct {
		code, want string
		wrong      bool
	}{
		{"525", "no such user", false}, {"52e", "password is wrong", true}, {"52f", "restricted", false}, {"530", "hour", false},
		{"531", "computer", false}, {"532", "expired", false}, {"533", "disabled", false}, {"534", "kind of logon", false},
		{"568", "too many groups", false}, {"701", "account has expired", false}, {"773", "must be changed", false},
		{"775", "locked", false}, {"2030", "no such object", false}, {"80090346", "tied to its TLS channel", false},
		{"57", "a reason of its own", false}, {"8009030c", "a reason of its own", false},
	}
	for _, tt := range tests {
		for _, code := range []string{tt.code, strings.ToUpper(tt.code)} {
			err := explain(t.Context(), testConfig(), Server{Host: "dc1", Port: "636"}, nil, "binding", refused(fmt.Sprintf(accept, code)))
			assert.ErrorIs(t, err, ErrRefused)
			assert.ErrorContains(t, err, tt.want)
			assert.ErrorContains(t, err, "(data "+tt.code+")")
			assert.ErrorContains(t, err, "Code 49")
			assert.True(t, ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials))
			assert.NotContains(t, err.Error(), "Ada")
			assert.Equal(t, tt.wrong, IsWrongPassword(refused(fmt.Sprintf(accept, code))), code)
		}
	}
}

func TestRefusal_WithoutAReason(t *testing.T) {
	tests := []struct {
		text, want string
		wrong      bool
	}{
		{"", "the controller refused the name or password;", true},
		{"invalid credentials of CN=Ada", "the controller refused the name or password;", true},
		{"80090308: LdapErr: CN=Ada", "the controller refused the name or password (code 80090308);", true},
		{"80090346: LdapErr: CN=Ada", "tied to its TLS channel", false},
		{"the account has data Ada Lovelace", "the controller refused the name or password;", true},
		{"room data 12 Ada", "the controller refused the name or password;", true},
		{"no data feedAda", "the controller refused the name or password;", true},
		{"too much data 123456789abc, CN=Ada", "the controller refused the name or password;", true},
	}
	for _, tt := range tests {
		err := explain(t.Context(), testConfig(), Server{}, nil, "binding", refused(tt.text))
		assert.ErrorContains(t, err, tt.want, tt.text)
		assert.NotContains(t, err.Error(), "Ada")
		assert.Equal(t, tt.wrong, IsWrongPassword(refused(tt.text)), tt.text)
	}
	assert.False(t, IsWrongPassword(io.EOF))
	assert.False(t, IsWrongPassword(ldap.NewError(8, errors.New("data 52e"))))
	err := explain(t.Context(), testConfig(), Server{}, nil, "binding", ldap.NewError(8, errors.New("00002028: LdapErr: DSID-0C090254")))
	assert.ErrorContains(t, err, "(code 00002028)")
}

// What each result code asks for, and what becomes of an error in which no result came.
func TestErrors_SayWhatToDo(t *testing.T) {
	said := func(err error) string {
		return explain(t.Context(), testConfig(), Server{Host: "dc1", Port: "6360"}, nil, "reading", err).Error()
	}
	for code, want := range map[uint16]string{
		8: "use ldaps:// or StartTLS", 13: "use ldaps:// or StartTLS", 1: "not allowed this", 50: "not allowed this",
		3: "cut the answer short", 4: "cut the answer short", 11: "cut the answer short", 10: "another domain", 32: "check BaseDN",
		34: "the base is not a distinguished name", 51: "busy or going down", 52: "busy or going down",
		12: "has lost its place", 53: "has lost its place", 80: "RFC 4511", 2: "RFC 4511",
	} {
		assert.Contains(t, said(&ldap.Error{ResultCode: code}), want, code)
		assert.Contains(t, disconnection{code}.Error(), want, code)
	}
	assert.Contains(t, said(ldap.NewError(ldap.ErrorNetwork, errors.New("CN=Ada"))), "the connection broke")
	assert.Contains(t, said(ldap.NewError(ldap.ErrorFilterCompile, errors.New("CN=Ada"))), "RFC 4511")
	for _, err := range []error{ldap.NewError(ldap.ErrorNetwork, errors.New("CN=Ada")), errors.New("unable to read LDAP response packet: CN=Ada")} {
		assert.NotContains(t, said(err), "Ada")
	}
	assert.Contains(t, said(errors.New("unable to read LDAP response packet: x")), errFrame.Error())
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		assert.Contains(t, said(fmt.Errorf("read: %w", end)), "reading: the server closed the connection; look at the controller: ")
		assert.Contains(t, said(encryptError{"cannot ask", end}), "reading: cannot ask: the server closed the connection; look at the controller: ")
	}
	assert.Contains(t, said(assert.AnError), assert.AnError.Error())
	assert.Contains(t, said(encryptError{"cannot ask", assert.AnError}), "cannot ask: "+assert.AnError.Error())
}

// A refusal may come without a word.
func TestRefusal_WithoutWords(t *testing.T) {
	err := &ldap.Error{ResultCode: ldap.LDAPResultInvalidCredentials}
	assert.True(t, IsWrongPassword(err))
	assert.ErrorContains(t, explain(t.Context(), testConfig(), Server{}, nil, "binding", err), "the controller refused the name or password;")
}

func TestPortHint_NamesSchemeAndPort(t *testing.T) {
	for raw, want := range map[string]string{
		"ldaps://dc1:389": "port 389 does not go with ldaps://: use port 636", "ldaps://dc1:3268": "use port 3269",
		"ldap://dc1:636": "port 636 does not go with ldap://: use ldaps://", "ldap://dc1:3269": "port 3269 does not",
		"ldaps://dc1:88": "port 88 is not for LDAP", "ldap://dc1:445": "port 445 is not for LDAP",
	} {
		s, err := ParseURL(raw, true)
		require.NoError(t, err)
		for _, broken := range []error{io.EOF, context.DeadlineExceeded, errFrame, explainHandshake(io.EOF)} {
			assert.ErrorContains(t, explain(t.Context(), testConfig(), s, broken, "connecting", broken), want)
		}
		answer := explain(t.Context(), testConfig(), s, nil, "binding", ldap.NewError(51, errors.New("x")))
		assert.NotContains(t, answer.Error(), "port", "it speaks LDAP after all")
	}
	for _, raw := range []string{"ldaps://dc1", "ldaps://dc1:3269", "ldap://dc1", "ldap://dc1:3268", "ldaps://dc1:6360"} {
		s, err := ParseURL(raw, true)
		require.NoError(t, err)
		assert.Empty(t, s.portHint(), raw)
	}
}

// The schemes the wrong way round, against a server that is there.
func TestDial_NamesTheWrongScheme(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	cfg := d.config()
	_, err := list(t.Context(), d.openAt(cfg, strings.Replace(d.PlainURL(), "ldap:", "ldaps:", 1)))
	assert.ErrorContains(t, err, "check the port")
	_, err = list(t.Context(), d.openAt(cfg, strings.Replace(d.URL(), "ldaps:", "ldap:", 1)))
	assert.ErrorContains(t, err, "use ldaps://")
}

func TestCheckFilter_SaysWhy(t *testing.T) {
	assert.NoError(t, CheckFilter(`(&(objectClass=person)(memberOf=CN=Ada\5c, the first,DC=corp))`))
	for filter, want := range map[string]string{
		`(memberOf=CN=Ada\, the first,DC=corp)`: `at position 16, a backslash stands for itself`,
		`(cn=\`:                                 `at position 4,`,
		`(cn=\4`:                                `at position 4,`,
		`(&(cn=\41)(cn=\4g))`:                   `at position 14,`,
		`(memberOf=CN=Sales (Ada),DC=corp)`:     `ends at position 24, and more follows`,
		`(cn=Ada)(sn=Lovelace)`:                 `ends at position 8, and more follows`,
		`(cn=\30)(sn=Lovelace)`:                 `ends at position 8, and more follows`,
		`(cn=\00)(sn=Lovelace)`:                 `ends at position 8, and more follows`,
		`\,`:                                    `at position 0,`,
		`(&(cn=Ada)`:                            `unexpected end`,
		`cn=Ada`:                                `does not start with`,
		``:                                      `does not start with`,
		`(Ada)`:                                 `error parsing filter`,
		"(cn=\xff)":                             `position 4`,
		`(&(cn=Ada)sn=Lovelace)`:                `expected ')' at position 10`,
	} {
		err := CheckFilter(filter)
		require.ErrorContains(t, err, want, filter)
		assert.NotContains(t, err.Error(), "Ada")
		assert.NotContains(t, err.Error(), "Lovelace")
		assert.Contains(t, err.Error(), `\5c`)
	}
}

// It is said in the words of the filter's own reader, and nothing before them.
func TestCheckFilter_SaysWhyAlone(t *testing.T) {
	const rest = `; in a value, ( is written \28, ) \29, * \2a and \ \5c`
	for filter, want := range map[string]string{
		`cn=Ada`: `filter does not start with an '('`, `(&(cn=Ada)`: `unexpected end of filter`, `(cn=Ada)x`: `it ends at position 8, and more follows`,
	} {
		assert.EqualError(t, CheckFilter(filter), want+rest)
	}
}

// Why a filter is none repeats no more of it than a letter.
func FuzzCheckFilter(f *testing.F) {
	f.Add("Lovelace")
	f.Add(`\,`)
	f.Add(`)(`)
	f.Fuzz(func(t *testing.T, text string) {
		const private = "Lovelace"
		for _, filter := range []string{"(cn=" + text + private + ")", private + text, "(" + text + ")" + private, "(cn=" + private + text} {
			_, compileErr := ldap.CompileFilter(filter)
			err := CheckFilter(filter)
			require.Equal(t, compileErr == nil, err == nil)
			if err != nil {
				require.NotContains(t, err.Error(), private)
			}
		}
	})
}

// A server that goes on for ever is stopped, and a look-up is no listing.
func TestEntries_EndsAtMaxEntries(t *testing.T) {
	d := newDomain(t, fakead.Config{})
	ids := d.add(25)
	cfg := d.config()
	cfg.PageSize, cfg.MaxEntries = 10, 24
	accounts, err := list(t.Context(), d.open(cfg))
	require.ErrorContains(t, err, "there are more than 24 accounts; narrow the Filter, or raise MaxEntries")
	assert.Len(t, accounts, 24)
	cfg.MaxEntries = 25
	accounts, err = list(t.Context(), d.open(cfg))
	require.NoError(t, err)
	assert.Len(t, accounts, 25)
	cfg.MaxEntries = 3
	accounts, err = look(t.Context(), d.open(cfg), ids...)
	require.NoError(t, err)
	assert.Len(t, accounts, 25)
}

func TestFind_EndlessAnswerIsAnError(t *testing.T) {
	c := newLiar(t, func(string) []*ldap.Entry { return slices.Repeat([]*ldap.Entry{account(guid(1), "")}, mostFound+1) })
	_, err := look(t.Context(), c, fakead.GUID(guid(1)))
	assert.ErrorIs(t, err, errUnasked)
}
