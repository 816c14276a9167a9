package main

import "github.com/go-adsync/adsync"

// options are the rules of the flags; all others are left at their safe
// defaults.
func (s *settings) options(sides *sides, out printer) *adsync.Options {
	return &adsync.Options{Rules: s.rules(sides.source), Limits: s.limits(), OnResult: out.progress()}
}

// rules are the same for an adoption and for a sync: what is linked by a rule is
// planned again by it when the plan is applied, and so whom -only names is named then, too.
func (s *settings) rules(source string) adsync.Rules {
	rules := adsync.Rules{
		Source:      source,
		Import:      s.imports,
		AdoptBy:     fields(s.adoptBy),
		KeepOnEmpty: fields(s.keepOnEmpty),
	}
	if s.adopt {
		rules.Only = s.only
	}
	if s.mailDomain != "" {
		rules.Map = mailFromUsername(s.mailDomain)
	}
	return rules
}

// mailFromUsername gives an address to people who have none. A Map sees only the
// entry: it does not know what the user's address is here.
func mailFromUsername(domain string) func(adsync.Entry) (adsync.Profile, error) {
	return func(e adsync.Entry) (adsync.Profile, error) {
		if e.Email == "" && e.Username != "" {
			e.Email = e.Username + "@" + domain
		}
		return e.Profile, nil
	}
}

func fields(names []string) []adsync.Field {
	var list []adsync.Field
	for _, name := range names {
		list = append(list, adsync.Field(name))
	}
	return list
}

func (s *settings) limits() adsync.Limits {
	return adsync.Limits{MaxRemovals: s.maxRemovals, MaxRemovalRatio: s.maxRatio}
}
