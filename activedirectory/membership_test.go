package activedirectory

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-adsync/adsync"
)

// Of a group of another domain, which the controller refers elsewhere, nothing is known,
// and that ends no look-up.
func TestFilter_GroupOfAnotherDomainIsNotKnown(t *testing.T) {
	c := newCorp(t, 1, 2)
	d := c.directory(t, func(cfg *Config) { cfg.Filter = "(memberOf=CN=Staff,DC=other,DC=example)" })
	assert.Equal(t, adsync.StateUnproven, stateOf(t, d, c.ids[0][0]))
}
