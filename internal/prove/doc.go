// Package prove builds objects that a cluster should refuse, and reads from the
// answers of an API server which part of it refused them.
//
// It sends nothing itself.
package prove
