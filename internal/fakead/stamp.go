package fakead

import (
	"bytes"
	"time"
)

// A stamp tells which of two controllers has the newer value of an attribute
// ([MS-DRSR] 4.1.10.5.10): the one with the higher version, then the later one.
type stamp struct {
	version int
	at      time.Time
	by      GUID // the invocationId of the controller that wrote it
}

func (s stamp) newer(than stamp) bool {
	switch {
	case s.version != than.version:
		return s.version > than.version
	case !s.at.Equal(than.at):
		return s.at.After(than.at)
	}
	return bytes.Compare(s.by[:], than.by[:]) > 0
}

// stamps are kept for what was written since the domain has several controllers.
// What was there before is the same on all of them.
type stamps struct {
	attrs map[*attrType]stamp
	links map[linkValue]stamp // of values that are there, and of removed ones
}

// linkValue is one value of a link attribute: each is replicated for itself.
type linkValue struct {
	attr *attrType
	to   GUID
}

// mark stamps an attribute that is about to be written here. The attribute name
// stands for where an object hangs and what it is called there.
func (t *tree) mark(e *entry, a *attrType) {
	if !t.stamping || a.local {
		return
	}
	if e.stamps.attrs == nil {
		e.stamps.attrs = map[*attrType]stamp{}
	}
	e.stamps.attrs[a] = t.next(e.stamps.attrs[a])
}

func (t *tree) markLink(e *entry, a *attrType, to GUID) {
	if !t.stamping {
		return
	}
	if e.stamps.links == nil {
		e.stamps.links = map[linkValue]stamp{}
	}
	key := linkValue{a, to}
	e.stamps.links[key] = t.next(e.stamps.links[key])
}

func (t *tree) next(old stamp) stamp {
	return stamp{version: old.version + 1, at: t.now(), by: t.invocation}
}
