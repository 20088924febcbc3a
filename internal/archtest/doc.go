// Package archtest holds the rules of the house as tests: which package may
// import which, how long an import chain may get, what every package says
// about itself, and what may be depended on.
package archtest
