//! Answers for tests; see below.
