package proptest

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode"
)

// Name gives a thing that tasks hold or wait for a name in the report of a failure, in place of its type and a number.
// It takes a pointer to a primitive, or to a struct that has some: they are called by the name and
// that of their field then, as in "pool.slots". A thing that is no pointer panics.
func (p *P) Name(obj any, name string) {
	v := reflect.ValueOf(obj)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		panic(fmt.Sprintf("proptest: Name of a %T, which is no pointer", obj))
	}
	if rec := p.run.rec; rec != nil {
		defer p.run.guard()()
		rec.names = append(rec.names, named{span: spanOf(obj), name: oneLine(name)})
	}
}

// span is a piece of memory with a type. It keeps that alive, so that no other comes to be there.
type span struct {
	obj  any
	addr uintptr
	size uintptr
	typ  reflect.Type
}

// named is one that has a name.
type named struct {
	span
	name string
}

// spanOf returns what a pointer points to, nothing for another value.
func spanOf(obj any) span {
	v := reflect.ValueOf(obj)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return span{}
	}
	typ := v.Type().Elem()
	return span{obj, v.Pointer(), typ.Size(), typ}
}

// has reports whether in is a part of s.
func (s span) has(in span) bool {
	return s.addr != 0 && in.addr >= s.addr && in.addr+max(in.size, 1) <= s.addr+max(s.size, 1)
}

// field returns the path to the field that has in and is not of a struct of the user's any more.
func (s span) field(in span) string {
	path := ""
	typ, off := s.typ, in.addr-s.addr
	for typ.Kind() == reflect.Struct && typ != in.typ && !api[strings.TrimPrefix(typ.PkgPath(), module)] {
		i := 0
		for i < typ.NumField() && typ.Field(i).Offset+typ.Field(i).Type.Size() <= off {
			i++
		}
		if i == typ.NumField() {
			break
		}
		f := typ.Field(i)
		path += "." + f.Name
		typ, off = f.Type, off-f.Offset
	}
	return path
}

// names knows what things are called.
type names struct {
	rec    *recording
	things []named // in order of their first appearance
	count  map[string]int
	queues []named // what is waited for and never taken, by its queue
}

func newNames(rec *recording) *names {
	n := &names{rec: rec, count: map[string]int{}}
	for _, e := range rec.events {
		if e.kind == took || e.kind == gave {
			n.of(e.obj)
		}
	}
	return n
}

// given returns the name that a thing has by P.Name.
func (n *names) given(s span) string {
	for _, g := range n.rec.names {
		if g.has(s) {
			return g.name + g.field(s)
		}
	}
	return ""
}

// of names what can be taken.
func (n *names) of(obj any) string {
	s := spanOf(obj)
	for _, t := range n.things {
		if t.addr == s.addr && t.typ == s.typ {
			return t.name
		}
	}
	name := n.given(s)
	if name == "" {
		name = n.numbered(bareType(fmt.Sprintf("%T", obj)))
	}
	n.things = append(n.things, named{s, name})
	return name
}

func (n *names) numbered(typ string) string {
	n.count[typ]++
	return fmt.Sprintf("%s %d", typ, n.count[typ])
}

// waited names what a task waits for: a thing, or another task, or neither.
func (n *names) waited(e *event) (thing string, task *actor) {
	s := spanOf(e.obj)
	if s.addr == 0 {
		return "", nil
	}
	for _, t := range n.things {
		if t.has(s) {
			return t.name, nil
		}
	}
	for _, a := range n.rec.tasks {
		if spanOf(a.piece).has(s) {
			return a.name, a
		}
	}
	if name := n.given(s); name != "" {
		return name, nil
	}
	at := e.place.at()
	if at == nil {
		return "", nil
	}
	parts := strings.Split(at.call, ".")
	if len(parts) != 3 {
		return "", nil // a function, such as core.All
	}
	typ := parts[1]
	for _, q := range n.queues {
		// The queues of one thing lie side by side, as those of a queue for getters and putters.
		beside := q.typ == s.typ && (q.addr == s.addr+s.size || s.addr == q.addr+q.size)
		if strings.HasPrefix(q.name, typ+" ") && (q.addr == s.addr || beside && typ != "WaitQueue") {
			return q.name, nil
		}
	}
	q := named{s, n.numbered(typ)}
	n.queues = append(n.queues, q)
	return q.name, nil
}

// bareType is the name of a type without its package and type arguments.
func bareType(typ string) string {
	typ, _, _ = strings.Cut(typ, "[")
	return strings.TrimLeft(typ[strings.LastIndexByte(typ, '.')+1:], "*")
}

// closures are what the compiler appends to the names of functions in functions.
var closures = regexp.MustCompile(`(\.func\d+|\.gowrap\d+|-range\d+|-fm|\.\d+)+$`)

// apiName turns the name of a function of this module, without the module, into that of the call:
// lock/x.(*AsyncLock).Acquire into x.AsyncLock.Acquire.
func apiName(in string) string {
	in = in[strings.LastIndexByte(packageOf(in), '/')+1:]
	in = closures.ReplaceAllString(in, "")
	in = strings.NewReplacer("[...]", "", "(*", "", ")", "").Replace(in)
	if rest, ok := strings.CutPrefix(in, "sync."); ok {
		return "xsync." + rest
	}
	if rest, ok := strings.CutPrefix(in, "park.Queue."); ok {
		return "xsync.WaitQueue." + rest
	}
	return in
}

// maxText is how much of a text the report shows, in characters.
const maxText = 160

// oneLine makes a line of a text that comes from the code under test.
func oneLine(text string) string {
	text, more, cut := strings.Cut(strings.TrimSpace(text), "\n")
	cut = cut && strings.TrimSpace(more) != ""
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > maxText {
		text, cut = string(runes[:maxText]), true
	}
	if cut {
		text += " ..."
	}
	return text
}
