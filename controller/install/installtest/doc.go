// Package installtest makes install trees for the tests of whoever serves or names
// one.
//
// It owns no product code. Functions: Tree.
package installtest
