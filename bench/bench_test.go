package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each pair is measured and makes a line with all its columns, and nothing is left running.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, 1, 100*time.Microsecond, "", false); err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(out.String(), "|\n|---")
	rows := strings.Split(strings.TrimSpace(lines), "\n")[1:]
	if all := allPairs(); len(rows) != len(all) {
		t.Fatalf("%d lines for %d pairs:\n%s", len(rows), len(all), out.String())
	}
	for _, row := range rows {
		cells := strings.Split(row, "|")
		if len(cells) != 10 {
			t.Errorf("%d cells: %s", len(cells), row)
			continue
		}
		contended := (strings.Contains(cells[1], " 100 goroutines") || strings.Contains(cells[1], " 100 tasks")) && !strings.Contains(cells[1], "each")
		if contended && (cells[7] == "  " || cells[8] == "  ") {
			t.Errorf("nothing about fairness: %s", row)
		}
		if strings.Contains(row, "NaN") || strings.Contains(row, "**0.00**") {
			t.Errorf("not measured: %s", row)
		}
	}
}

// The filter looks at both sides, and a list measures nothing.
func TestFilter(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, 1, time.Hour, "Weighted", true); err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(out.String()) {
		if !strings.Contains(row, "Weighted") {
			t.Errorf("listed: %s", row)
		}
	}
	if strings.Count(out.String(), "\n") < 4 {
		t.Errorf("listed:\n%s", out.String())
	}
	if run(&out, 1, time.Hour, "(", true) == nil || run(&out, 0, time.Hour, "", true) == nil {
		t.Error("a bad flag is no error")
	}
}

// The figures of fairness are those of who got it how often.
func TestShare(t *testing.T) {
	turns := &tally{n: 10, section: nothing}
	acquire := func() error { return nil }
	for i := range 4 {
		turns.turn(i%2, acquire, nothing)
	}
	turns.turn(0, func() error { turns.total.Add(3); return nil }, nothing)
	for range 10 {
		if !turns.turn(2, acquire, nothing) {
			break
		}
	}
	if s := turns.result(0).share; s.most != 3 || s.least != 0 || s.longest != 3 {
		t.Errorf("%+v", s)
	}
	if got := median([]float64{3, 1, 2, 10}); got != 2.5 {
		t.Errorf("median %v", got)
	}
}
