package fakead

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// The data codes of a refused bind, as a domain controller spells them.
const (
	DataNoSuchUser      = "525"
	DataBadPassword     = "52e"
	DataLogonHours      = "530"
	DataWorkstation     = "531"
	DataPasswordExpired = "532"
	DataDisabled        = "533"
	DataAccountExpired  = "701"
	DataMustReset       = "773"
	DataLocked          = "775"
)

const (
	oidStartTLS = "1.3.6.1.4.1.1466.20037"
	oidWhoAmI   = "1.3.6.1.4.1.4203.1.11.3"
)

func (c *conn) bind(req *request) ([]message, error) {
	r := &berReader{req.body}
	version, err := r.integer(tagInteger)
	if err != nil {
		return nil, errHangUp
	}
	name, err := r.text()
	if err != nil {
		return nil, errHangUp
	}
	method, password, err := r.next()
	if err != nil {
		return nil, errHangUp
	}
	c.bound, c.who = false, nil
	switch {
	case version != 3:
		return req.fail(resultProtocolError, "00000057: LdapErr: DSID-0C0905FF, comment: Only version 3 is supported, data 0"), nil
	case method == tagSASLCredentials:
		return req.done(c.saslBind(&berReader{password})), nil
	case method != tagSimpleCredentials:
		return req.fail(resultAuthMethodNotSupported, "00002027: LdapErr: DSID-0C090694, comment: Invalid Authentication method, data 0, v4563"), nil
	}
	return req.done(c.simpleBind(name, string(password))), nil
}

func (c *conn) simpleBind(name, password string) *result {
	if password == "" {
		// Not an error: whoever forgets the password is anonymous.
		c.bound = false
		return nil
	}
	if !c.encrypted && !c.server.cfg.AllowUnsafe {
		return failure(resultStrongerAuthRequired, `00002028: LdapErr: DSID-0C090254, comment: The server requires binds to turn on integrity checking if SSL\TLS are not already active on the connection, data 0, v4563`)
	}
	who, data := c.server.authenticate(name, password)
	if data != "" {
		return failure(resultInvalidCredentials, fmt.Sprintf("80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data %s, v4563", data))
	}
	c.bound, c.who = true, who
	return nil
}

// saslBind takes the account that the client's certificate names.
func (c *conn) saslBind(r *berReader) *result {
	mechanism, err := r.text()
	switch {
	case err != nil || mechanism != "EXTERNAL":
		return failure(resultAuthMethodNotSupported, "00002027: LdapErr: DSID-0C090694, comment: Invalid Authentication method, data 0, v4563")
	case len(c.certificates) == 0:
		return failure(resultInvalidCredentials, "80090317: LdapErr: DSID-0C09066B, comment: No client certificate, data 0, v4563")
	}
	c.server.mu.RLock()
	defer c.server.mu.RUnlock()
	account := c.server.findAccount(c.certificates[0].Subject.CommonName)
	if account == nil || account.deleted {
		return failure(resultInvalidCredentials, "80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data 525, v4563")
	}
	c.bound, c.who = true, c.server.tree.identify(account)
	return nil
}

// authenticate returns who is bound then, or the data code of a refusal.
func (s *Server) authenticate(name, password string) (who *identity, data string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.findAccount(name)
	if e == nil || e.deleted {
		return nil, DataNoSuchUser
	}
	s.journal.countBind(e.id)
	if e.bindData == DataLocked || s.locked(e) {
		return nil, DataLocked
	}
	if e.password == "" || e.password != password {
		e.failures++
		return nil, DataBadPassword
	}
	if data := s.refusal(e); data != "" {
		return nil, data
	}
	e.failures = 0
	s.tree.logOn(e)
	return s.tree.identify(e), ""
}

// logOn notes the time. What other controllers learn of it, and what moves the
// account's uSNChanged, is written only every two weeks ([MS-ADA1] 2.352).
func (t *tree) logOn(e *entry) {
	const rarely = 14 * 24 * time.Hour
	now := fileTime(t.now())
	t.setName(e, "lastLogon", strconv.FormatInt(now, 10))
	if t.number(e, "lastLogonTimestamp") <= now-int64(rarely/100) {
		t.setName(e, "lastLogonTimestamp", strconv.FormatInt(now, 10))
		t.touch(e)
	}
}

// refusal is why an account with the right password may not bind; "" if it may.
func (s *Server) refusal(e *entry) string {
	t := s.tree
	expires, _ := strconv.ParseInt(e.first(t.schema.attr("accountExpires")), 10, 64)
	switch {
	case e.bindData != "":
		return e.bindData
	case t.control(e)&uacDisabled != 0:
		return DataDisabled
	case expires != 0 && expires < fileTime(t.now()):
		return DataAccountExpired
	case e.first(t.schema.attr("pwdLastSet")) == "0" && t.control(e)&uacNeverExpires == 0:
		return DataMustReset
	}
	return ""
}

func (s *Server) locked(e *entry) bool {
	return s.cfg.LockoutAfter > 0 && e.failures >= s.cfg.LockoutAfter
}

// findAccount takes the names that a bind takes: a DN, DOMAIN\name, or a
// userPrincipalName, which is name@domain where none is set.
func (s *Server) findAccount(name string) *entry {
	if domain, sam, ok := strings.Cut(name, `\`); ok && !strings.Contains(name, "=") {
		if !strings.EqualFold(domain, s.cfg.NetBIOS) && !strings.EqualFold(domain, s.cfg.Domain) {
			return nil
		}
		return s.bySAM(sam)
	}
	if e := s.single(s.tree.types.upn, name); e != nil {
		return e
	}
	if sam, domain, ok := strings.Cut(name, "@"); ok && strings.EqualFold(domain, s.cfg.Domain) {
		return s.bySAM(sam)
	}
	return s.tree.lookup(name)
}

func (s *Server) bySAM(sam string) *entry { return s.single(s.tree.types.sAMAccountName, sam) }

// single is the one live entry with this value of an indexed attribute.
func (s *Server) single(a *attrType, value string) *entry {
	for _, e := range s.tree.index[a][a.key(value)] {
		if !e.deleted {
			return e
		}
	}
	return nil
}

func (c *conn) extended(req *request) ([]message, error) {
	r := &berReader{req.body}
	oid, err := r.want(0x80)
	if err != nil {
		return nil, errHangUp
	}
	switch string(oid) {
	case oidStartTLS:
		return c.allowTLS(req), nil
	case oidWhoAmI:
		return []message{{op: req.encodeResult(&result{}, "", c.whoAmI())}}, nil
	}
	return req.fail(resultProtocolError, "0000203D: LdapErr: DSID-0C090E5C, comment: Unknown extended request OID, data 0, v4563"), nil
}

func (c *conn) allowTLS(req *request) []message {
	if _, refused := req.fault(FaultStartTLSRefused); refused {
		return []message{{op: req.encodeResult(failure(52, "00000000: LdapErr: DSID-0C090FE1, comment: Error initializing SSL/TLS, data 0, v4563"), oidStartTLS, "")}}
	}
	if c.encrypted {
		return []message{{op: req.encodeResult(failure(resultOperationsError, "00000000: LdapErr: DSID-0C090E17, comment: TLS already in effect, data 0, v4563"), oidStartTLS, "")}}
	}
	return []message{{op: req.encodeResult(&result{}, oidStartTLS, "")}}
}

func (c *conn) whoAmI() string {
	c.server.mu.RLock()
	defer c.server.mu.RUnlock()
	if c.who == nil {
		return ""
	}
	account := c.server.tree.byGUID(c.who.account)
	if account == nil {
		return ""
	}
	return "u:" + c.server.cfg.NetBIOS + `\` + account.first(c.server.tree.types.sAMAccountName)
}

// decodePassword reads a unicodePwd value: UTF-16LE in quotes ([MS-ADTS]
// 3.1.1.3.1.5).
func decodePassword(v string) (string, bool) {
	if len(v)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(v)/2)
	for i := range units {
		units[i] = uint16(v[2*i]) | uint16(v[2*i+1])<<8
	}
	quoted := string(utf16.Decode(units))
	if len(quoted) < 3 || quoted[0] != '"' || quoted[len(quoted)-1] != '"' {
		return "", false
	}
	return quoted[1 : len(quoted)-1], true
}
