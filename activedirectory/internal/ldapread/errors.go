package ldapread

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/go-ldap/ldap/v3"
)

// ErrRefused is the refusal of a name or password. It must not be tried again, here or
// on another controller: the account would get locked.
var ErrRefused = errors.New("no other controller is tried, so that the account does not get locked")

// ownError is one of the host's own way to bind, which no controller has answered. It would
// be the same with another controller, or may mean a wrong password.
type ownError struct {
	error
	unsent bool // and says nothing of the controller
}

func (e ownError) Unwrap() error { return e.error }

// unsent is the error of a bind that was not begun.
func unsent(err error) error {
	return ownError{fmt.Errorf("adsync: cannot bind, and nothing was sent: %w", err), true}
}

// isFinal reports an error after which no other controller is to be tried.
func isFinal(err error) bool {
	return errors.Is(err, ErrRefused) || errors.As(err, new(ownError))
}

// isUnsent reports an error by which no controller can be judged.
func isUnsent(err error) bool {
	var own ownError
	return errors.As(err, &own) && own.unsent
}

// explain puts an error of one exchange into words. What the server says in its
// own words is dropped: it may name people.
func (s *session) explain(ctx context.Context, doing string, err error) error {
	return explain(ctx, s.cfg, s.server, s.wire.cause(), doing, err)
}

func explain(ctx context.Context, cfg *Config, server Server, cause error, doing string, err error) error {
	at := "adsync: " + server.Address() + ": " + doing
	if ctx.Err() != nil {
		return fmt.Errorf("%s: stopped by the caller: %w", at, ctx.Err())
	}
	var result *ldap.Error
	answered := errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork
	if cause != nil && !answered { // a server may hang up right after it has refused
		err = cause
	}
	if answered {
		return explainResult(at, result)
	}
	return fmt.Errorf("%s: %w%s", at, unanswered(cfg, err), server.portHint())
}

// unanswered is the error of an exchange in which no result came.
func unanswered(cfg *Config, err error) error {
	var encrypting encryptError
	var result *ldap.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("no answer within %v; look at the controller, or raise Timeout: %w", cfg.Timeout, os.ErrDeadlineExceeded)
	case isMalformed(err):
		return errFrame
	case errors.As(err, &encrypting) && isHangUp(err):
		return fmt.Errorf("%s: the server closed the connection; look at the controller: %w", encrypting.words, io.ErrUnexpectedEOF)
	case isHangUp(err):
		return fmt.Errorf("the server closed the connection; look at the controller: %w", io.ErrUnexpectedEOF)
	case errors.As(err, &result):
		return toldResult(result)
	}
	return printableError{err}
}

// printableError is an error whose text may hold what a server sent, such as the
// names in a certificate that nobody trusts yet.
type printableError struct{ error }

func (e printableError) Error() string { return printable(e.error.Error()) }

func (e printableError) Unwrap() error { return e.error }

// printable keeps what a server sent from steering the terminal or faking a line
// of the log that it gets into.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// isMalformed reports an answer that go-ldap could not decode. It has no type for
// that, only these words.
func isMalformed(err error) bool {
	return strings.HasPrefix(err.Error(), "unable to read LDAP response packet")
}

// isHangUp reports whether the other side ended the connection, properly or not.
func isHangUp(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// explainResult keeps the result code and replaces the server's words.
func explainResult(at string, result *ldap.Error) error {
	if result.ResultCode == ldap.LDAPResultInvalidCredentials {
		return fmt.Errorf("%s: %w; %w", at, toldResult(result), ErrRefused)
	}
	return fmt.Errorf("%s: %w", at, toldResult(result))
}

func toldResult(result *ldap.Error) *ldap.Error {
	return &ldap.Error{ResultCode: result.ResultCode, Err: errors.New(words(result))}
}

func words(result *ldap.Error) string {
	if result.ResultCode == ldap.LDAPResultInvalidCredentials {
		return refusal(result)
	}
	return wordsOf(result.ResultCode) + inBrackets(leadingCode(result))
}

// wordsOf says what a result code asks for.
func wordsOf(code uint16) string {
	switch code {
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired:
		return "the controller wants an encrypted connection; use ldaps:// or StartTLS. If it is encrypted already, the controller must be told to accept Kerberos over TLS"
	case ldap.LDAPResultOperationsError, ldap.LDAPResultInsufficientAccessRights:
		return "the service account is not allowed this; bind with an account that may read the directory"
	case ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return "the controller's own limit cut the answer short; use a smaller PageSize or an indexed Filter, or raise that limit for the service account"
	case ldap.LDAPResultReferral:
		return "the base belongs to another domain; set BaseDN to one of this domain, or read that domain's controllers"
	case ldap.LDAPResultNoSuchObject:
		return "the base does not exist, or the service account may not see it; check BaseDN"
	case ldap.LDAPResultInvalidDNSyntax:
		return "the base is not a distinguished name; check BaseDN"
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return "the controller is busy or going down; try again later"
	case ldap.LDAPResultUnavailableCriticalExtension, ldap.LDAPResultUnwillingToPerform:
		return "the controller has lost its place in the listing, or refuses to page; try again, or another controller"
	case ldap.ErrorNetwork:
		return "the connection broke; look at the controller and the network"
	}
	return "look at the controller's log; RFC 4511, appendix A, says what the code means"
}

// refusals are the reasons that Active Directory adds to a refused bind as "data" and a
// Windows error code in hex.
var refusals = map[string]string{
	"525":      "there is no such user; check the name",
	wrongData:  "the name or password is wrong",
	"52f":      "the account is restricted, as by an authentication policy or by being a protected user; lift that for the service account",
	"530":      "the account may not log on at this hour; widen its logon hours",
	"531":      "the account may not log on from this computer; allow it",
	"532":      "the password has expired; set a new one",
	"533":      "the account is disabled; enable it",
	"534":      "the account is not granted this kind of logon; grant it that right on the controller",
	"568":      "the account is in too many groups to log on; take it out of some",
	"701":      "the account has expired; extend it",
	"773":      "the password must be changed first; clear that flag",
	"775":      "the account is locked; unlock it",
	"2030":     "there is no such object; write the user as a DN that exists, as a userPrincipalName, or as DOMAIN\\name",
	channelTLS: "the controller requires a bind that is tied to its TLS channel, and says nothing of the password; use a BindFunc that does so, or let the controller accept binds without",
}

const (
	wrongData  = "52e"
	channelTLS = "80090346"
)

// IsWrongPassword reports a refused bind that counts towards locking the account: one for
// which the controller gave no other reason.
func IsWrongPassword(err error) bool {
	var result *ldap.Error
	if !errors.As(err, &result) || result.ResultCode != ldap.LDAPResultInvalidCredentials {
		return false
	}
	data := dataCode(result)
	return data == wrongData || data == "" && leadingCode(result) != channelTLS
}

// refusal always has the code, if there is one: it is what can be looked up.
func refusal(result *ldap.Error) string {
	data := dataCode(result)
	if data == "" && leadingCode(result) == channelTLS {
		data = channelTLS
	}
	if text, ok := refusals[data]; ok {
		return text + " (data " + data + ")"
	}
	if data != "" {
		return "the controller refused the bind for a reason of its own; look up what Windows means by the code (data " + data + ")"
	}
	return "the controller refused the name or password" + inBrackets(leadingCode(result))
}

func inBrackets(code string) string {
	if code == "" {
		return ""
	}
	return " (code " + code + ")"
}

// dataCode is the reason in the words of a controller, as in "comment:
// AcceptSecurityContext error, data 52e, v4563"; "" if there is none.
func dataCode(result *ldap.Error) string {
	if result.Err == nil {
		return ""
	}
	_, rest, _ := strings.Cut(result.Err.Error(), " data ")
	return hexBefore(rest, ",\x00")
}

// leadingCode is what a controller begins its words with, as in "80090308: LdapErr:"; ""
// if it does not.
func leadingCode(result *ldap.Error) string {
	if result.Err == nil {
		return ""
	}
	return hexBefore(result.Err.Error(), ":")
}

// hexBefore is the hex number of at most eight digits that the text begins with, if one
// of the ends or nothing follows. Anything else that a server says may name people, some
// of whom are called Ada.
func hexBefore(text, ends string) string {
	const digits = "0123456789abcdefABCDEF"
	code := text[:len(text)-len(strings.TrimLeft(text, digits))]
	rest := text[len(code):]
	if len(code) > 8 || !strings.ContainsAny(code, "0123456789") || rest != "" && !strings.ContainsAny(rest[:1], ends) {
		return ""
	}
	return strings.ToLower(code)
}
