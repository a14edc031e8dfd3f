package timer

// heap is a 4-ary heap of timers that know their place in it: half the levels of a binary one,
// and the four children it compares sit side by side in memory.
type heap []item

// push adds it.
func (h *heap) push(it item) {
	*h = append(*h, it)
	h.up(len(*h)-1, it)
}

// remove takes out the item at i, and puts the last one into the gap. The timer of that
// item does not learn of it.
func (h *heap) remove(i int) {
	s := *h
	last := len(s) - 1
	it := s[last]
	s[last] = item{}
	*h = s[:last]
	if i != last {
		// What is above i comes before the old item, and what is below it later. So one look at
		// that, which is where something is to be written anyway, says which way to go.
		if it.before(&s[i]) {
			h.up(i, it)
		} else {
			h.down(i, it)
		}
	}
	*h = shrink(*h)
}

// up puts it into the gap at i or one above it.
func (h heap) up(i int, it item) {
	for i > 0 {
		p := (i - 1) / 4
		if !it.before(&h[p]) {
			break
		}
		h[i] = h[p]
		h[i].at(uint32(i) + 1)
		i = p
	}
	h[i] = it
	it.at(uint32(i) + 1)
}

// down puts it into the gap at i or one below it.
func (h heap) down(i int, it item) {
	for {
		first := 4*i + 1
		if first >= len(h) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h)); c++ {
			if h[c].before(&h[least]) {
				least = c
			}
		}
		if !h[least].before(&it) {
			break
		}
		h[i] = h[least]
		h[i].at(uint32(i) + 1)
		i = least
	}
	h[i] = it
	it.at(uint32(i) + 1)
}
