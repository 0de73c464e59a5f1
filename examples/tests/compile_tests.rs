//! What must not compile does not, and says why where the mistake is; what must compile does, and works.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p examples --test compile_tests`, then read
//! the difference.

#[rustversion::attr(not(stable(1.95)), ignore = "the texts are those of Rust 1.95")]
#[test]
fn mistakes_are_told_where_they_are_made() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
