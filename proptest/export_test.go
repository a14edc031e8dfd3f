package proptest

// Recorded reports whether what happens in a case is recorded for a report.
func Recorded(p *P) bool { return p.run.rec != nil }

// PlanOf returns what has been drawn for a case so far, as Replay takes it.
func PlanOf(p *P) string { return p.run.plan.String() }
