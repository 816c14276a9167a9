package adsync

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Outcome is what became of a [Change].
type Outcome string

// The outcomes.
const (
	OutcomeApplied      Outcome = "applied"
	OutcomeAlready      Outcome = "already"       // it was written before
	OutcomeStale        Outcome = "stale"         // the user has changed since the plan was made
	OutcomeFailed       Outcome = "failed"        // the store refused
	OutcomeBlocked      Outcome = "blocked"       // a change that it needs did not succeed
	OutcomeSkipped      Outcome = "skipped"       // nothing to write, or no longer needed
	OutcomeNotAttempted Outcome = "not-attempted" // the run ended before
	OutcomeUnknown      Outcome = "unknown"       // the store cannot tell; apply again
)

// Result is the outcome of one Change: in a Report, of the one at the same position in
// Plan.Changes.
type Result struct {
	UserID  string  `json:"user_id,omitempty"` // a created user's too
	Outcome Outcome `json:"outcome"`
	Err     error   `json:"-"` // its text is "error" in JSON
}

// resultJSON is a Result with its error as text.
type resultJSON struct {
	plainResult
	Error string `json:"error,omitempty"`
}

type plainResult Result

// MarshalJSON gives the error as text.
func (r Result) MarshalJSON() ([]byte, error) {
	out := resultJSON{plainResult: plainResult(r)}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote; the error is its text only.
func (r *Result) UnmarshalJSON(data []byte) error {
	var in resultJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*r = Result(in.plainResult)
	if in.Error != "" {
		r.Err = errors.New(in.Error)
	}
	return nil
}

// Report is what a run did: one Result for each Change, always. Its methods work
// on nil. As JSON it is a record for an audit: what was planned, what was read for it,
// who approved it, and what became of each change.
type Report struct {
	Plan     *Plan     `json:"plan,omitempty"` // nil: none could be made
	Results  []Result  `json:"results"`
	Refused  bool      `json:"refused,omitempty"`  // the run ended before its first write
	Approval *Approval `json:"approval,omitempty"` // of this very plan, and valid when Apply began; nil: none was given
}

// newReport has a result for each change before anything is done.
func newReport(p *Plan) *Report {
	r := &Report{Plan: p, Results: make([]Result, len(p.Changes))}
	for i := range p.Changes {
		c := &p.Changes[i]
		r.Results[i] = Result{UserID: c.UserID, Outcome: OutcomeNotAttempted}
		if !c.writes() {
			r.Results[i].Outcome = OutcomeSkipped
		}
	}
	return r
}

// refusedReport is that of a run that ends before it begins.
func refusedReport(p *Plan) *Report {
	r := newReport(p)
	r.Refused = true
	return r
}

// Counts counts the outcomes. An Interim is not counted.
func (r *Report) Counts() Counts {
	if r == nil || r.Plan == nil {
		return Counts{}
	}
	users := map[*int]map[string]bool{}
	var n Counts
	add := func(counter *int, c *Change) {
		if users[counter] == nil {
			users[counter] = map[string]bool{}
		}
		who := c.UserID
		if who == "" {
			who = c.ObjectID.String()
		}
		if !users[counter][who] {
			users[counter][who] = true
			*counter++
		}
	}
	n.Unchanged = r.Plan.Stats.Unchanged
	for i, result := range r.Results {
		if i >= len(r.Plan.Changes) || r.Plan.Changes[i].Interim {
			continue
		}
		for _, counter := range n.of(&r.Plan.Changes[i], result.Outcome) {
			add(counter, &r.Plan.Changes[i])
		}
	}
	return n
}

// Summary is the lines that a message box shows: how it went; how many were
// modified, deleted and duplicated; and what else there is to report.
func (r *Report) Summary() []string {
	if r == nil || r.Plan == nil {
		return []string{"Synchronizing users with Active Directory was not possible. Nothing was changed."}
	}
	n := r.Counts()
	notAttempted, parked := r.leftOver()
	lines := []string{
		r.headline(notAttempted),
		fmt.Sprintf("%d user(s) details are modified.", n.Modified),
		fmt.Sprintf("%d user(s) are deleted.", n.Deleted),
		fmt.Sprintf("%d user(s) are duplicated.", n.Duplicated),
	}
	for _, more := range []struct {
		count int
		text  string
	}{
		{n.Created, "user(s) are created."},
		{n.Deactivated, "user(s) are deactivated."},
		{n.Failed, "user(s) could not be written."},
		{n.Stale, "user(s) have changed in the meantime and were left alone."},
		{n.Blocked, "user(s) were left alone because a change before them did not succeed."},
		{notAttempted, "change(s) were not attempted."},
	} {
		if more.count > 0 {
			lines = append(lines, fmt.Sprintf("%d %s", more.count, more.text))
		}
	}
	if len(parked) > 0 {
		lines = append(lines, "Left with a temporary name until the next sync: user "+strings.Join(parked, ", ")+".")
	}
	return lines
}

// leftOver counts the writes that were not attempted and names the parked users.
func (r *Report) leftOver() (notAttempted int, parked []string) {
	for _, result := range r.Results {
		if result.Outcome == OutcomeNotAttempted {
			notAttempted++
		}
	}
	for i := range r.Plan.Changes {
		if k := r.Plan.ends(i); k >= 0 && r.succeeded(k) && !r.succeeded(i) {
			parked = append(parked, r.Plan.Changes[k].UserID)
		}
	}
	slices.Sort(parked)
	return notAttempted, parked
}

// succeeded reports whether the change is written, by this run or before.
func (r *Report) succeeded(i int) bool {
	return i < len(r.Results) && (r.Results[i].Outcome == OutcomeApplied || r.Results[i].Outcome == OutcomeAlready)
}

func (r *Report) headline(notAttempted int) string {
	writes := 0
	for i := range r.Plan.Changes {
		if r.Plan.Changes[i].writes() {
			writes++
		}
	}
	switch {
	case r.Refused, writes > 0 && notAttempted == writes:
		return "Synchronizing users with Active Directory was not carried out. Nothing was changed."
	case r.Err() != nil:
		return "Synchronizing users with Active Directory was not completed."
	}
	return "Synchronizing users with Active Directory has been successful."
}

// Err joins a [*ChangeError] for each change that was to be written and was not,
// and for each user left with a parked value.
func (r *Report) Err() error {
	if r == nil || r.Plan == nil {
		return nil
	}
	var errs []error
	for i, result := range r.Results {
		bad := result.Outcome != OutcomeApplied && result.Outcome != OutcomeAlready && result.Outcome != OutcomeSkipped
		if i < len(r.Plan.Changes) && (bad || result.Err != nil) {
			errs = append(errs, &ChangeError{Change: r.Plan.Changes[i], Outcome: result.Outcome, Err: result.Err})
		}
	}
	return errors.Join(errs...)
}

// Counts counts distinct users by what became of them in this run. A user can
// count in several, such as one whose details and status changed.
type Counts struct {
	Modified    int `json:"modified"`    // details, link, or lifted deactivation written
	Deleted     int `json:"deleted"`     // deleted
	Duplicated  int `json:"duplicated"`  // left alone, as another holds or asks for a key; new entries too
	Created     int `json:"created"`     // imported
	Deactivated int `json:"deactivated"` // deactivated
	Unchanged   int `json:"unchanged"`   // as the directory has them, or written already
	Failed      int `json:"failed"`      // refused by the store, or unknown
	Stale       int `json:"stale"`       // changed since the plan was made
	Blocked     int `json:"blocked"`     // for want of a change that did not succeed
}

// of returns the counters of one outcome.
func (n *Counts) of(c *Change, outcome Outcome) []*int {
	switch outcome {
	case OutcomeAlready:
		return []*int{&n.Unchanged}
	case OutcomeFailed, OutcomeUnknown:
		return []*int{&n.Failed}
	case OutcomeStale:
		return []*int{&n.Stale}
	case OutcomeBlocked:
		return []*int{&n.Blocked}
	case OutcomeSkipped:
		if c.Op == OpDuplicate {
			return []*int{&n.Duplicated}
		}
	case OutcomeApplied:
		return n.written(c)
	}
	return nil
}

func (n *Counts) written(c *Change) []*int {
	switch {
	case c.Op == OpDelete:
		return []*int{&n.Deleted}
	case c.Op == OpCreate:
		return []*int{&n.Created}
	case !c.removes():
		return []*int{&n.Modified}
	case c.rewritesMore(): // details too
		return []*int{&n.Deactivated, &n.Modified}
	}
	return []*int{&n.Deactivated}
}

// ChangeError is a change that did not succeed, and why.
type ChangeError struct {
	Change  Change
	Outcome Outcome
	Err     error // may be nil, for example when the change was not attempted
}

// Error names the user by ID, the operation and the reason.
func (e *ChangeError) Error() string {
	who := "user " + e.Change.UserID
	if e.Change.UserID == "" {
		who = "account " + e.Change.ObjectID.String()
	}
	text := fmt.Sprintf("adsync: %s of %s: %s", e.Change.Op, who, e.Outcome)
	if e.Err != nil {
		text += ": " + strings.TrimPrefix(e.Err.Error(), "adsync: ")
	}
	return text
}

// Unwrap returns the store's error.
func (e *ChangeError) Unwrap() error { return e.Err }
