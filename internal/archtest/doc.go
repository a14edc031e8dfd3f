// Package archtest holds the rules of this repository that a compiler does not
// know, as tests: which package may import which, what must be documented, what
// needs an example, that the README's programs compile, and what must not
// appear in the code.
//
// Each rule is a function from a parsed tree to a list of problems. It is run
// over the module, where it must find none, and over small bad trees, each of
// which it must refuse. The tables a maintainer edits stand at the top of the
// file of their rule, and an entry that nothing needs any more is a problem too.
package archtest
