package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"testing"
)

// TestDLL reads the library as a loader does, from the headers to the name that the export is
// forwarded to.
func TestDLL(t *testing.T) {
	image := dll()
	f, err := pe.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 || f.Characteristics&pe.IMAGE_FILE_DLL == 0 || len(f.Sections) != 1 {
		t.Errorf("got %+v", f.FileHeader)
	}
	section, err := f.Sections[0].Data()
	if err != nil {
		t.Fatal(err)
	}
	header := f.OptionalHeader.(*pe.OptionalHeader64)
	dir := header.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT]
	base := f.Sections[0].VirtualAddress
	if dir.VirtualAddress != base || int(dir.Size) > len(section) || header.SizeOfImage != base+pageAlign || len(image) != 2*fileAlign {
		t.Errorf("directory %+v, section at %#x, image of %#x in %d bytes", dir, base, header.SizeOfImage, len(image))
	}
	number := func(at uint32) uint32 { return binary.LittleEndian.Uint32(section[at-base:]) }
	text := func(at uint32) string {
		s, _, _ := bytes.Cut(section[at-base:dir.Size], []byte{0})
		return string(s)
	}
	if got := text(number(base + 12)); got != library {
		t.Errorf("the library is called %q", got)
	}
	if got := text(number(number(base + 32))); got != exported {
		t.Errorf("the export is called %q", got)
	}
	if got := text(number(number(base + 28))); got != target {
		t.Errorf("it is forwarded to %q", got)
	}
}
