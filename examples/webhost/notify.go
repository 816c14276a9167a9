package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// notices say what the schedule has come to.
var notices = map[string]string{
	stateDone:    "The scheduled synchronization works again.",
	statePartly:  "The scheduled synchronization was only partly done. The history says who was not written, and why.",
	stateRefused: "The scheduled synchronization would change more than the limits let it. Its plan waits for an approval.",
	stateFailed:  "The scheduled synchronization was not possible.",
}

// tell posts a notice, which names nobody, if the state is another than the one that was
// told last. Where that fails, it is tried again after the next run.
func (a *app) tell(ctx context.Context, last *lastRun) {
	if a.webhook != "" && last.State != cmp.Or(last.Told, stateDone) {
		ctx, cancel := context.WithTimeout(ctx, a.webhookTimeout)
		defer cancel()
		err := post(ctx, a.webhook, map[string]any{
			"source": a.source, "state": last.State, "at": last.At,
			"text": strings.TrimSpace(notices[last.State] + " " + last.Why),
		})
		if err != nil {
			a.logger.Error("nobody could be told how the schedule is doing", "error", err)
			return
		}
	}
	last.Told = last.State
}

// post sends JSON. The address may hold a secret, so that no error names it.
func post(ctx context.Context, address string, body any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(asJSON(body)))
	if err != nil {
		return errors.New("the address of the webhook is wrong")
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.(*url.Error).Err // without the address
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return errors.New("the webhook answered " + answer.Status)
	}
	return nil
}
