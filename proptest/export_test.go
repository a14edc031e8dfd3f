package proptest

// Recorded reports whether what happens in a case is recorded for a report.
func Recorded(p *P) bool { return p.run.rec != nil }
