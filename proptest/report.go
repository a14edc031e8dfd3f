package proptest

import (
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"unicode"
)

// report prints what has happened in the case that has failed, once it is as small as it gets.
func (c *check) report(t TB) {
	if c.exited != nil {
		t.Errorf("proptest: the property, a claim or a callback called runtime.Goexit at %v, as FailNow of a *testing.T does: use P instead", c.exited)
	}
	if c.run == nil || c.run.rec == nil || c.run.rec.final.fault == nil {
		return
	}
	s := c.run.rec.tell()
	var b strings.Builder
	b.WriteByte('\n')
	s.text(&b, c.name)
	from := "takes the case that rapid has stored in testdata/rapid first"
	switch {
	case c.fuzzed:
		from = "if the input is of the seed corpus, or stored in testdata/fuzz"
	case !stored(c.name):
		from = "with the -rapid.seed or -rapid.failfile that rapid tells: no case is stored in testdata/rapid"
	}
	s.replay(&b, c.name, packagePath(), from)
	if page, err := s.writePage(c.name, packagePath()); err != nil {
		fmt.Fprintf(&b, "page:    none: %v\n", err)
	} else if page != "" {
		fmt.Fprintf(&b, "page:    %s\n", page)
	}
	t.Log(b.String())
}

// headline says in one line what has gone wrong, and when.
func (s *story) headline(name string) string {
	f := s.final.fault
	text := fmt.Sprintf("%s: %s", name, oneLine(f.String()))
	if len(s.scenes) == 0 {
		return text // on goroutines there are no steps
	}
	switch f.kind {
	case taskError, panicked, goexit, steered, unhandled, realClock, realTimer, foreignCall, blocked:
		return fmt.Sprintf("%s (in step %d)", text, f.step)
	}
	if f.step == 0 {
		return text + " (before the first step)"
	}
	return fmt.Sprintf("%s (after step %d)", text, f.step-1)
}

// text is the report for a terminal, but for what leads elsewhere.
func (s *story) text(b *strings.Builder, name string) {
	fmt.Fprintf(b, "%s\n\n", s.headline(name))
	for _, line := range s.perturbations() {
		fmt.Fprintf(b, "%s\n", line)
	}
	if len(s.scenes) > 0 {
		b.WriteString("\nschedule:\n")
		s.schedule(b)
		b.WriteString("\nlanes:\n")
		s.lanes(b)
	}
	lines := s.waiting()
	if circle := s.circle(); circle != "" {
		lines = append(lines, circle)
	}
	if len(lines) > 0 {
		b.WriteString("\nin the end:\n")
		for _, line := range lines {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
	if who, stack := s.stack(); len(stack) > 0 {
		fmt.Fprintf(b, "\nstack of %s:\n", who)
		for _, line := range stack {
			fmt.Fprintf(b, "  %s\n", line)
		}
	}
	b.WriteByte('\n')
}

const plainFIFO = "deviations from FIFO: none"

// fewDeviations are named before the schedule. There are many under PCT only.
const fewDeviations = 12

// perturbations tells what the plan has done to the case.
func (s *story) perturbations() []string {
	if text := s.final.plan.String(); len(s.scenes) == 0 && text != "" {
		return []string{"plan: " + text}
	}
	var deviations, cancels, deaths, early []string
	for _, at := range s.scenes {
		if len(at.passed) > 0 {
			deviations = append(deviations, fmt.Sprintf("step %d ran %s before %s", at.step, at.who, anded(at.passed)))
		}
	}
	for _, e := range s.events {
		switch e.kind {
		case canceled:
			cancels = append(cancels, fmt.Sprintf("%s before step %d", e.actor.name, e.step))
		case dies:
			deaths = append(deaths, fmt.Sprintf("%s in step %d", e.actor.name, e.step))
		}
	}
	for _, step := range s.final.plan.timers {
		early = append(early, fmt.Sprintf("before step %d", step))
	}
	lines := []string{plainFIFO}
	if n := len(deviations) - fewDeviations; n > 1 { // the schedule has a mark at each
		deviations = append(deviations[:fewDeviations], fmt.Sprintf("and %d more", n))
	}
	if len(deviations) > 0 {
		lines[0] = "deviations from FIFO: " + strings.Join(deviations, "; ")
	}
	if len(cancels) > 0 {
		lines = append(lines, "cancels: "+strings.Join(cancels, "; "))
	}
	if len(deaths) > 0 {
		lines = append(lines, "panics: "+strings.Join(deaths, "; "))
	}
	if len(early) > 0 {
		lines = append(lines, "early timers: "+strings.Join(early, "; "))
	}
	return lines
}

// anded lists names in words.
func anded(list []string) string {
	if n := len(list); n > 1 {
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
	return strings.Join(list, "")
}

// How many lines of a long schedule are printed, of its beginning and its end.
const (
	firstLines = 20
	lastLines  = 60
)

// schedule prints the steps that matter: those in which tasks do nothing but give others a
// turn are drawn together.
func (s *story) schedule(b *strings.Builder) {
	width := 4
	for _, a := range s.tasks {
		width = min(max(width, len([]rune(a.name))), 24)
	}
	var lines []string
	for i := 0; i < len(s.scenes); i++ {
		at := s.scenes[i]
		for _, text := range at.before {
			lines = append(lines, fmt.Sprintf("          -- %s --", text))
		}
		j := i
		for j < len(s.scenes) && s.scenes[j].dull() && (j == i || len(s.scenes[j].before) == 0) {
			j++
		}
		if j-i > 2 {
			lines = append(lines, fmt.Sprintf("  %9s  %s", fmt.Sprintf("%d..%d", i, j-1), idlers(s.scenes[i:j])))
			i = j - 1
			continue
		}
		mark := " "
		if len(at.passed) > 0 {
			mark = "*"
		}
		step := fmt.Sprint(at.step)
		for _, text := range at.told() {
			who := text.who
			for _, part := range folded(text.acts, lineWidth-width) {
				lines = append(lines, fmt.Sprintf("%s %9s  %-*s  %s", mark, step, width, who, part))
				mark, step, who = " ", "", ""
			}
		}
	}
	if left := len(lines) - firstLines - lastLines; left > 1 {
		lines = slices.Replace(lines, firstLines, firstLines+left, fmt.Sprintf("          ... %d lines ...", left))
	}
	for _, line := range lines {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// dull reports whether nothing happens in a step that others could notice.
func (s *scene) dull() bool {
	for _, a := range s.acts {
		if !a.dull {
			return false
		}
	}
	return len(s.passed) == 0 && len(s.acts) > 0 && !s.woke
}

// told is what one task has done.
type told struct {
	who  string
	acts []string
}

// told returns what was done in a step, in order; more than one task may run in it.
func (s *scene) told() (lines []told) {
	var who *actor
	for i, a := range s.acts {
		if i > 0 && a.actor == who {
			last := &lines[len(lines)-1]
			last.acts = append(last.acts, a.text)
			continue
		}
		who = a.actor
		name := s.who
		if who != nil {
			name = who.name
		}
		lines = append(lines, told{name, []string{a.text}})
	}
	if len(lines) == 0 {
		lines = append(lines, told{s.who, []string{"runs"}})
	}
	if len(s.passed) > 0 {
		lines[0].acts[0] = fmt.Sprintf("(before %s) %s", anded(s.passed), lines[0].acts[0])
	}
	return lines
}

// lineWidth is about how many characters what is done in a step takes on a line.
const lineWidth = 100

// folded joins texts to lines that are not too long.
func folded(texts []string, width int) (lines []string) {
	for i, text := range texts {
		if i < len(texts)-1 {
			text += ";"
		}
		if n := len(lines); n > 0 && len(lines[n-1])+1+len(text) <= width {
			lines[n-1] += " " + text
			continue
		}
		lines = append(lines, text)
	}
	return lines
}

// idlers says who runs in steps that are drawn together.
func idlers(scenes []*scene) string {
	var names []string
	for _, at := range scenes {
		if !slices.Contains(names, at.who) {
			names = append(names, at.who)
		}
	}
	verb := "gives"
	if len(names) > 1 {
		verb = "give"
	}
	if len(names) > 6 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	return fmt.Sprintf("%s only %s others a turn, or let time pass", anded(names), verb)
}

// maxColumns is how many steps the lanes show, the last ones.
const maxColumns = 100

// lanes draws a line for each task and each thing that was held, a column for each step.
func (s *story) lanes(b *strings.Builder) {
	scenes := s.scenes[max(0, len(s.scenes)-maxColumns):]
	width := 0
	var things []string
	for _, at := range scenes {
		for i := range at.holds {
			if thing := at.holds[i].thing; !slices.Contains(things, thing) {
				things = append(things, thing)
			}
		}
	}
	for i, a := range s.tasks {
		width = max(width, len([]rune(label(i, a))))
	}
	for _, thing := range things {
		width = max(width, len([]rune(thing)))
	}
	first := scenes[0].step
	ruler := make([]byte, len(scenes))
	for i := range ruler {
		ruler[i] = ' '
		if (first+i)%5 == 0 {
			ruler[i] = '|'
		}
	}
	numbers := strings.Builder{}
	for i := range scenes {
		if (first+i)%5 == 0 && numbers.Len() <= i {
			fmt.Fprintf(&numbers, "%*s%d", i-numbers.Len(), "", first+i)
		}
	}
	line := func(name string, cell func(at *scene) byte) {
		cells := make([]byte, len(scenes))
		for i, at := range scenes {
			cells[i] = cell(at)
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, name, cells), " "))
	}
	fmt.Fprintf(b, "  %-*s  %s\n", width, "", numbers.String())
	fmt.Fprintf(b, "  %-*s  %s\n", width, "", strings.TrimRight(string(ruler), " "))
	for i, a := range s.tasks {
		line(label(i, a), func(at *scene) byte {
			st := at.states[i]
			switch {
			case st.ran && at.actor == a && len(at.passed) > 0:
				return '*'
			case st.ran:
				return '#'
			}
			return " =. "[st.state]
		})
		if slices.ContainsFunc(scenes, func(at *scene) bool { return at.states[i].hit }) {
			line("", func(at *scene) byte {
				if at.states[i].hit {
					return '^'
				}
				return ' '
			})
		}
	}
	for _, thing := range things {
		line(thing, func(at *scene) byte {
			cell := byte(' ')
			for _, h := range at.holds {
				switch {
				case h.thing != thing:
				case cell != ' ':
					return '+'
				case h.actor == nil:
					cell = '?'
				default:
					cell = letter(slices.Index(s.tasks, h.actor))
				}
			}
			return cell
		})
	}
	legend := "  # runs  * runs before its turn  = is ready  . waits"
	if s.hasCancel() {
		legend += "  ^ canceled before this step"
	}
	if len(things) > 0 {
		legend += "  letters: who holds it (+: several)"
	}
	fmt.Fprintf(b, "%s\n", legend)
}

func (s *story) hasCancel() bool {
	return slices.ContainsFunc(s.events, func(e event) bool { return e.kind == canceled })
}

// label is the name of a task with the letter that stands for it.
func label(i int, a *actor) string {
	name := a.name
	if runes := []rune(name); len(runes) > 24 {
		name = string(runes[:21]) + "..."
	}
	return fmt.Sprintf("%c %s", letter(i), name)
}

func letter(i int) byte {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if i < 0 || i >= len(letters) {
		return '@'
	}
	return letters[i]
}

// waiting tells how the tasks stand in the end that have not ended, and what is held.
func (s *story) waiting() (lines []string) {
	for i, st := range s.last.states {
		if st.state != waiting && st.state != ready {
			continue
		}
		text := st.text
		waits := slices.ContainsFunc(s.last.edges, func(e edge) bool { return e.from == s.tasks[i] })
		if s.final.fault.kind == deadlock && !waits && !strings.Contains(text, ", held by ") {
			text += ", and nobody is left who could wake it"
		}
		lines = append(lines, fmt.Sprintf("%s %s", s.tasks[i].name, text))
	}
	wanted := map[string]bool{}
	for _, e := range s.last.edges {
		wanted[e.thing] = true
	}
	for i := range s.last.holds {
		if h := &s.last.holds[i]; !wanted[h.thing] {
			lines = append(lines, fmt.Sprintf("%s is %s", h.thing, h.text()))
		}
	}
	for _, o := range s.final.ops {
		if o.Pending {
			lines = append(lines, fmt.Sprintf("%s of %s is pending since step %d", oneLine(strings.ReplaceAll(o.call(), "\n", " ")), o.Task, o.BeginStep))
		}
	}
	return lines
}

// circle tells of a circle of waits at the end, empty if there is none.
func (s *story) circle() string {
	var all []string
	for _, a := range s.cycle() {
		all = append(all, a.name)
	}
	if all == nil {
		return ""
	}
	return "a circle of waits: " + strings.Join(all, " -> ")
}

// stack returns the calls of the task that has failed the case by a panic.
func (s *story) stack() (who string, calls []string) {
	f := s.final.fault
	if f.kind != panicked && f.kind != goexit && f.kind != steered {
		return "", nil
	}
	for _, e := range s.events {
		if e.kind == panics {
			who, calls = e.actor.name, e.place.stack()
		}
	}
	return who, calls
}

// replay prints how to have it again.
func (s *story) replay(b *strings.Builder, name, pkg, from string) {
	fmt.Fprintf(b, "replay:  go test -run %s %s\n         %s\n", quoted(runPattern(name)), pkg, from)
	fmt.Fprintf(b, "option:  proptest.Replay(%q) makes every case take this schedule\n", s.final.plan)
}

// runPattern is what -run takes for one test.
func runPattern(name string) string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}

// quoted is a word for a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// packagePath is the package whose tests run, as the go command takes it from any folder of the module.
func packagePath() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "."
	}
	pkg, isTest := strings.CutSuffix(info.Path, ".test")
	if !isTest || pkg == "command-line-arguments" || pkg == "" {
		return "."
	}
	return pkg
}

// stored reports whether rapid has stored a case of the test, which the next run takes first.
func stored(name string) bool {
	if f := flag.Lookup("rapid.nofailfile"); f != nil && f.Value.String() == "true" {
		return false
	}
	dir := fileName(name)
	files, _ := filepath.Glob(filepath.Join("testdata", "rapid", dir, dir+"-*.fail"))
	return len(files) > 0
}

// fileName turns the name of a test into one of a file, as rapid does.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, name)
}
