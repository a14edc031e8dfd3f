package proptest

import (
	"errors"
	"reflect"

	"pgregory.net/rapid"
)

// tape plays the values that a case draws again. A [rapid.T] has no call for that: an Example or a fuzz target
// runs a property on given bits, but rapid would not shrink them; and a case that draws once and runs
// many times would share its state between the runs. So this looks, by reflection, for the stream of bits from which
// the T draws, and puts its state back.
type tape struct {
	places []reflect.Value // pieces of memory
	saved  []reflect.Value // what was there
}

// tapeOf notes the state from which t draws.
func tapeOf(t *rapid.T) (*tape, error) {
	v := reflect.ValueOf(t).Elem()
	s := v.FieldByName("s")
	if s.Kind() != reflect.Interface || s.Elem().Kind() != reflect.Pointer || s.Elem().Elem().Kind() != reflect.Struct {
		return nil, errors.New("this version of rapid keeps its drawn values in a way that is not known, v1.3.0 is")
	}
	tp := &tape{}
	tp.save(s.Elem())
	if n := v.FieldByName("draws"); n.Kind() == reflect.Int {
		tp.save(n.Addr()) // names values without a label
	}
	return tp, nil
}

func (tp *tape) save(pointer reflect.Value) {
	at := reflect.NewAt(pointer.Type().Elem(), pointer.UnsafePointer()).Elem() // may be read and set, unlike a field
	tp.places = append(tp.places, at)
	saved := reflect.New(at.Type()).Elem()
	saved.Set(at)
	tp.saved = append(tp.saved, saved)
}

// rewind makes t draw the same values again.
func (tp *tape) rewind() {
	for i, at := range tp.places {
		at.Set(tp.saved[i])
	}
}

// unused reports whether nothing was drawn.
func (tp *tape) unused() bool {
	return reflect.DeepEqual(tp.places[0].Interface(), tp.saved[0].Interface())
}
