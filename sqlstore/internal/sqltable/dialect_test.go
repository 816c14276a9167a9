package sqltable

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDialects_TellWhatTheyHave(t *testing.T) {
	type powers struct {
		uuid, loose, returning, bulk, counted, mode bool
		rows                                        int
		lock                                        string
	}
	for name, want := range map[string]powers{
		"postgresql": {uuid: true, returning: true, bulk: true, rows: 100},
		"mysql":      {counted: true, mode: true, rows: 500},
		"sqlite":     {loose: true, returning: true, rows: 100, lock: "DELETE FROM `users` WHERE 0"},
	} {
		d := dialect(t, name)
		table, err := NewTable(d, "users", "id", nil, Where{})
		assert.NoError(t, err)
		_, mode := d.Mode()
		assert.Equal(t, want, powers{d.NativeUUID(), d.Loose(), d.Returning(), d.HasBulk(), d.HasCounted(), mode, d.RowsAtOnce(), table.LockWrites()}, name)
	}
}

func TestDialects_KnowThatATransactionHasEnded(t *testing.T) {
	d := dialect(t, "sqlite")
	assert.True(t, d.NoTransaction(errors.New("SQL logic error: cannot rollback - no transaction is active (1)")))
	assert.True(t, d.NoTransaction(errors.New("SQL logic error: no such savepoint: adsync (1)")))
	assert.False(t, d.NoTransaction(errors.New("database is locked")))
}
