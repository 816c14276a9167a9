package fakead

// The result codes of RFC 4511 appendix A that the server gives.
const (
	resultSuccess                      = 0
	resultOperationsError              = 1
	resultProtocolError                = 2
	resultSizeLimitExceeded            = 4
	resultCompareFalse                 = 5
	resultCompareTrue                  = 6
	resultAuthMethodNotSupported       = 7
	resultStrongerAuthRequired         = 8
	resultReferral                     = 10
	resultUnavailableCriticalExtension = 12
	resultNoSuchAttribute              = 16
	resultConstraintViolation          = 19
	resultAttributeOrValueExists       = 20
	resultInvalidAttributeSyntax       = 21
	resultNoSuchObject                 = 32
	resultInvalidDNSyntax              = 34
	resultInvalidCredentials           = 49
	resultInsufficientAccessRights     = 50
	resultUnwillingToPerform           = 53
	resultNamingViolation              = 64
	resultObjectClassViolation         = 65
	resultNotAllowedOnNonLeaf          = 66
	resultNotAllowedOnRDN              = 67
	resultEntryAlreadyExists           = 68
	resultOther                        = 80
)

// result is an outcome with the text of a domain controller. It is an error so
// that the steps of an operation can return it.
type result struct {
	code     int
	matched  string
	text     string
	referral string
}

func (r *result) Error() string { return r.text }

func failure(code int, text string) *result { return &result{code: code, text: text} }

// responses says which tag answers which request.
var responses = map[byte]byte{
	tagBindRequest:     tagBindResponse,
	tagSearchRequest:   tagSearchDone,
	tagModifyRequest:   tagModifyResponse,
	tagAddRequest:      tagAddResponse,
	tagDelRequest:      tagDelResponse,
	tagModifyDNRequest: tagModifyDNResponse,
	tagCompareRequest:  tagCompareResponse,
	tagExtendedRequest: tagExtendedResponse,
}

// fail is an answer that consists of a result code and a text.
func (r *request) fail(code int, text string) []message {
	return r.done(&result{code: code, text: text})
}

// done is an answer that consists of a result; nil is success.
func (r *request) done(res *result) []message {
	if res == nil {
		res = &result{}
	}
	return []message{{op: r.encodeResult(res, "", "")}}
}

// encodeResult writes an LDAPResult (RFC 4511 4.1.9), with the name and value
// that only an extended response has.
func (r *request) encodeResult(res *result, oid, value string) []byte {
	r.log.Code = res.code
	w := &berWriter{}
	body := w.open(responses[r.tag])
	if f, ordered := r.fault(FaultResultOctets); ordered {
		w.primitive(tagEnumerated, f.Text)
	} else {
		w.integer(tagEnumerated, res.code)
	}
	w.text(res.matched)
	w.text(res.text)
	if res.code == resultReferral {
		refs := w.open(tagReferral)
		w.text(res.referral)
		w.close(refs)
	}
	if oid != "" {
		w.primitive(0x8a, oid)
	}
	if value != "" {
		w.primitive(0x8b, value)
	}
	w.close(body)
	return w.buf
}
