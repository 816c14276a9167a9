package adsync

import (
	"errors"
	"fmt"
	"time"
)

// Approval says that a person has reviewed one plan, and when. It lifts the limits for
// that plan alone, and lets it take a run back; what the plan writes is still checked
// against the store and the directory.
//
// It is valid until Options.MaxApprovalAge has passed since At, and with Options.Ledger for
// one run that writes: a second one is refused ([ErrUsed]). An Approval of another plan has no
// effect and does no harm. The one that a run went by stands in its [Report].
type Approval struct {
	Digest string    `json:"digest"`       // Plan.Digest
	At     time.Time `json:"at"`           // when the person approved it, by the host's clock
	By     string    `json:"by,omitempty"` // who it was, in the host's words; kept in the Report, and otherwise not looked at
}

// clockSkew is how far the clock of the machine where a plan was approved may be ahead.
const clockSkew = 5 * time.Minute

// approved returns the approval that is valid for the plan; nil: none of them is. One that
// is for this plan and no longer valid is an error, so that nobody waits for it to work.
func (o *Options) approved(p *Plan, approvals []Approval, now time.Time) (*Approval, error) {
	if len(approvals) == 0 {
		return nil, nil
	}
	digest := p.Digest()
	var errs []error
	for _, a := range approvals {
		if a.Digest != digest {
			continue
		}
		err := o.checkAge(a, now)
		if err == nil {
			return &a, nil
		}
		errs = append(errs, fmt.Errorf("%w: %w", ErrUnsafe, err))
	}
	return nil, errors.Join(errs...)
}

func (o *Options) checkAge(a Approval, now time.Time) error {
	most := o.MaxApprovalAge
	if most == 0 {
		most = defaultApprovalAge
	}
	switch age := now.Sub(a.At); {
	case a.At.IsZero():
		return errors.New("the approval does not say when it was given; set Approval.At")
	case age < -clockSkew:
		return fmt.Errorf("the approval is of %s, which is still to come; correct the clock, or approve the plan again", a.At.UTC().Format(time.RFC3339))
	case most != -1 && age > most:
		return fmt.Errorf("the approval is of %s, and one is good for %s (Options.MaxApprovalAge); review the plan and approve it again", a.At.UTC().Format(time.RFC3339), most)
	}
	return nil
}
