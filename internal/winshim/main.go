// Winshim writes the one library that Wine 8 lacks for programs made by Go 1.26 to
// start: bcryptprimitives.dll with ProcessPrng, from which Go's runtime takes its random
// numbers. The library has no code, only an export that names the same service of
// advapi32.dll (RtlGenRandom, exported as SystemFunction036).
//
// Usage: winshim FILE. scripts/wine-setup puts it into a Wine prefix; real Windows has the
// library.
package main

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
	"os"
)

const (
	library  = "bcryptprimitives.dll"
	exported = "ProcessPrng"
	target   = "advapi32.SystemFunction036"
)

// Where the parts are, in the file and in memory.
const (
	headerAt  = 0x40   // of the PE header in the file, behind the DOS header
	fileAlign = 0x200  // the headers and the one section have one unit each
	pageAlign = 0x1000 // the section is the second page
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: winshim FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], dll(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "winshim:", err)
		os.Exit(1)
	}
}

// dll is the library: a PE image for amd64 with one section, that of its exports.
func dll() []byte {
	section, size := exports(pageAlign)
	image := make([]byte, headerAt, 2*fileAlign)
	copy(image, "MZ")
	binary.LittleEndian.PutUint32(image[0x3c:], headerAt)
	image = append(image, "PE\x00\x00"...)

	optional := pe.OptionalHeader64{
		Magic:                 0x20b, // PE32+
		SizeOfInitializedData: fileAlign,
		ImageBase:             0x180000000,
		SectionAlignment:      pageAlign,
		FileAlignment:         fileAlign,

		MajorOperatingSystemVersion: 6,
		MajorSubsystemVersion:       6,

		SizeOfImage:         2 * pageAlign,
		SizeOfHeaders:       fileAlign,
		Subsystem:           pe.IMAGE_SUBSYSTEM_WINDOWS_GUI,
		DllCharacteristics:  pe.IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE | pe.IMAGE_DLLCHARACTERISTICS_NX_COMPAT,
		SizeOfStackReserve:  0x100000,
		SizeOfStackCommit:   0x1000,
		SizeOfHeapReserve:   0x100000,
		SizeOfHeapCommit:    0x1000,
		NumberOfRvaAndSizes: 16,
	}
	// An export that points into this range is a name to go on with, not code.
	optional.DataDirectory[pe.IMAGE_DIRECTORY_ENTRY_EXPORT] = pe.DataDirectory{VirtualAddress: pageAlign, Size: size}
	image = add(image, pe.FileHeader{
		Machine:              pe.IMAGE_FILE_MACHINE_AMD64,
		NumberOfSections:     1,
		SizeOfOptionalHeader: uint16(binary.Size(optional)),
		Characteristics:      pe.IMAGE_FILE_EXECUTABLE_IMAGE | pe.IMAGE_FILE_LARGE_ADDRESS_AWARE | pe.IMAGE_FILE_DLL,
	})
	image = add(image, optional)
	image = add(image, pe.SectionHeader32{
		Name:             [8]uint8{'.', 'e', 'd', 'a', 't', 'a'},
		VirtualSize:      size,
		VirtualAddress:   pageAlign,
		SizeOfRawData:    fileAlign,
		PointerToRawData: fileAlign,
		Characteristics:  pe.IMAGE_SCN_CNT_INITIALIZED_DATA | pe.IMAGE_SCN_MEM_READ,
	})
	image = append(image[:len(image):len(image)], make([]byte, fileAlign-len(image))...)
	return append(image, section...)
}

// exports is the section that begins at the address base, padded, and its size
// without the padding.
func exports(base uint32) ([]byte, uint32) {
	directory := struct {
		Characteristics, TimeDateStamp uint32
		MajorVersion, MinorVersion     uint16
		Name, Base                     uint32
		Functions, Names               uint32 // how many
		FunctionsAt, NamesAt           uint32
		OrdinalsAt                     uint32
	}{Base: 1, Functions: 1, Names: 1}
	at := base + uint32(binary.Size(directory))
	next := func(size int) uint32 {
		defer func() { at += uint32(size) }()
		return at
	}
	directory.FunctionsAt = next(4)
	directory.NamesAt = next(4)
	directory.OrdinalsAt = next(2)
	directory.Name = next(len(library) + 1)
	nameAt := next(len(exported) + 1)
	targetAt := next(len(target) + 1)

	section := add(nil, directory)
	section = add(section, []uint32{targetAt, nameAt})
	section = add(section, uint16(0))
	section = append(section, library+"\x00"+exported+"\x00"+target+"\x00"...)
	size := uint32(len(section))
	return append(section, make([]byte, fileAlign-len(section))...), size
}

// add appends the little-endian form of v, which has a fixed size.
func add(to []byte, v any) []byte {
	var buf bytes.Buffer
	if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
		panic(err)
	}
	return append(to, buf.Bytes()...)
}
