// Package schemathesis has no code: beside this file lie the script that lets
// schemathesis ask a local node whatever its description allows and forbids, its
// settings, and the versions of the tool. Its test sees to it that the tool finds what
// it is there for.
package schemathesis
