package proptest

import (
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed report.html.tmpl
var pageText string

// reportsFolder is the environment variable with the folder of the pages; "off" means none.
const reportsFolder = "TURNSTILE_REPORTS"

// writePage writes the story as a page, and returns its path, empty if none is wanted. The name is that of the
// package and the test, so that the next failure replaces it.
func (s *story) writePage(test, pkg string) (string, error) {
	dir := os.Getenv(reportsFolder)
	if dir == "off" {
		return "", nil
	}
	mode := os.FileMode(0o600) // others have no business in a folder for all
	if dir == "" {
		dir = os.TempDir()
	} else if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	} else {
		mode = 0o644
	}
	base := "proptest-" + fileName(test)
	if last := path.Base(pkg); last != "." && last != "/" {
		base = "proptest-" + fileName(last) + "-" + fileName(test)
	}
	if len(base) > 120 {
		base = strings.ToValidUTF8(base[:120], "")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	// Written under a name that nobody can have prepared, and renamed.
	f, err := os.CreateTemp(dir, base+"-*.html")
	if err != nil {
		return "", err
	}
	err = s.page(f, test, pkg)
	if e := f.Close(); err == nil {
		err = e
	}
	if e := os.Chmod(f.Name(), mode); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	final := filepath.Join(dir, base+".html")
	if os.Rename(f.Name(), final) != nil {
		return f.Name(), nil // that of another user is in the way
	}
	return final, nil
}

// page is what the template is filled with. Its texts may hold anything: the template
// escapes them, and the script only ever sets them as text.
type page struct {
	Test          string
	Headline      string
	Perturbations []string
	Plain         string // the one of them that says that there is none
	Waiting       []string
	Circle        string
	StackOf       string
	Stack         []string
	Command       string
	Option        string
	Left          int // steps in front of those that are shown
	Steps         []pageStep
	Data          pageData
}

// pageData is what the script knows. What is an int is an index in one of the lists, or -1.
type pageData struct {
	Tasks  []string   `json:"tasks"`
	Things []string   `json:"things"`
	Steps  []pageStep `json:"steps"`
	Circle []int      `json:"circle"`
}

// pageStep is one step.
type pageStep struct {
	Step   int        `json:"step"`
	Clock  string     `json:"clock"`
	Who    string     `json:"who"`
	Actor  int        `json:"actor"`
	Passed string     `json:"passed"`
	Before []string   `json:"before"`
	Early  bool       `json:"early"` // the clock has moved before it
	Did    []pageActs `json:"did"`
	Tasks  []pageTask `json:"tasks"`
	Holds  []pageHold `json:"holds"`
	Edges  []pageEdge `json:"edges"`
}

// pageActs is what one task has done in a step.
type pageActs struct {
	Who  string   `json:"who"`
	Acts []string `json:"acts"`
}

// pageTask is how a task stands behind a step.
type pageTask struct {
	State string `json:"state"` // absent, ready, waits or over
	Bad   bool   `json:"bad"`   // over, by a panic or with an error
	Ran   bool   `json:"ran"`
	Hit   bool   `json:"hit"`
	Text  string `json:"text"`
	Wants int    `json:"wants"` // the thing that it waits for
}

// pageHold says who holds a thing behind a step.
type pageHold struct {
	Thing int    `json:"thing"`
	Task  int    `json:"task"`
	Text  string `json:"text"`
}

// pageEdge says who waits for whom behind a step.
type pageEdge struct {
	From  int `json:"from"`
	To    int `json:"to"`
	Thing int `json:"thing"`
}

// page writes the page of a story.
func (s *story) page(w *os.File, test, pkg string) error {
	t, err := template.New("report").Parse(pageText)
	if err != nil {
		return err
	}
	p := page{
		Test:          test,
		Headline:      s.headline(test),
		Perturbations: s.perturbations(),
		Plain:         plainFIFO,
		Waiting:       s.waiting(),
		Command:       fmt.Sprintf("go test -run %s %s", quoted(runPattern(test)), pkg),
		Option:        fmt.Sprintf("proptest.Replay(%q)", s.final.plan),
	}
	p.StackOf, p.Stack = s.stack()
	p.Circle = s.circle()
	p.Left = max(0, len(s.scenes)-kept)
	d := pageData{Circle: []int{}}
	for _, a := range s.tasks {
		d.Tasks = append(d.Tasks, a.name)
	}
	thing := func(name string) int {
		if name == "" {
			return -1
		}
		i := slices.Index(d.Things, name)
		if i < 0 {
			i = len(d.Things)
			d.Things = append(d.Things, name)
		}
		return i
	}
	for _, at := range s.scenes[p.Left:] {
		d.Steps = append(d.Steps, s.pageStep(at, thing))
	}
	for _, a := range s.cycle() {
		d.Circle = append(d.Circle, s.index(a))
	}
	p.Steps, p.Data = d.Steps, d
	return t.Execute(w, p)
}

func (s *story) pageStep(at *scene, thing func(string) int) pageStep {
	p := pageStep{
		Step: at.step, Who: at.who, Actor: s.index(at.actor), Passed: anded(at.passed), Before: at.before,
		Tasks: []pageTask{}, Holds: []pageHold{}, Edges: []pageEdge{},
	}
	if p.Before == nil {
		p.Before = []string{}
	}
	if at.now > 0 {
		p.Clock = at.now.String()
	}
	p.Early = slices.ContainsFunc(at.before, func(text string) bool { return strings.HasPrefix(text, "the clock") })
	for _, t := range at.told() {
		p.Did = append(p.Did, pageActs{t.who, t.acts})
	}
	for _, st := range at.states {
		t := pageTask{
			State: [...]string{"absent", "ready", "waits", "over"}[st.state],
			Bad:   st.state == over && st.bad,
			Ran:   st.ran, Hit: st.hit, Text: st.text, Wants: -1,
		}
		if st.state == waiting {
			if name, task := s.names.waited(st.wait); task == nil {
				t.Wants = thing(name)
			}
		}
		if t.Text == "" {
			t.Text = "has not begun"
		}
		p.Tasks = append(p.Tasks, t)
	}
	for i := range at.holds {
		h := &at.holds[i]
		p.Holds = append(p.Holds, pageHold{thing(h.thing), s.index(h.actor), h.since()})
	}
	for _, e := range at.edges {
		p.Edges = append(p.Edges, pageEdge{s.index(e.from), s.index(e.to), thing(e.thing)})
	}
	return p
}
