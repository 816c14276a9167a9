package adattr

import "testing"

// What is read of each account, and written for each that is looked up.
func BenchmarkAttributes(b *testing.B) {
	const dashed = "e124855b-371a-41be-9f05-3c1a9b7d2e10"
	g, err := ParseGUID(dashed)
	if err != nil {
		b.Fatal(err)
	}
	wire := g.Wire()
	buffer := make([]byte, 0, 64)
	for _, piece := range []struct {
		name string
		do   func() error
	}{
		{"objectGUID", func() error { _, err := Identity{}.Parse(wire[:]); return err }},
		{"entryUUID", func() error { _, err := IdentityOf("entryUUID").Parse([]byte(dashed)); return err }},
		{"assertion", func() error { buffer = Identity{}.AppendAssertion(buffer[:0], g); return nil }},
		{"ParseGUID", func() error { _, err := ParseGUID(dashed); return err }},
		{"String", func() error { _ = g.String(); return nil }},
		{"userAccountControl", func() error { IsDisabled("66048"); return nil }},
		{"FILETIME", func() error { _, err := ParseFiletime("133780321220000000"); return err }},
		{"GeneralizedTime", func() error { _, err := ParseGeneralizedTime("20261122194522.0Z"); return err }},
	} {
		b.Run(piece.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := piece.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
