//! Harness for the tests of the whole.
