// Package firstday goes through docs/FIRST-DAY.md as a new user would: with the
// program and the commands of that page, a real domain controller, and a table of
// three hundred users from before.
package firstday
