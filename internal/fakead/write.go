package fakead

func (c *conn) write(req *request, op Op) ([]message, error) {
	return req.fail(resultUnwillingToPerform, "00002035: SvcErr: DSID-031A1254, problem 5003 (WILL_NOT_PERFORM), data 0\n"), nil
}
