//! Nothing: the tests are one binary, and a package needs a target of its own.
