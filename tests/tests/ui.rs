//! What does not compile, with what the compiler says to it; and what compiles without a warning, and works.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p tests --test ui`, then read the difference.

#[rustversion::attr(not(stable(1.95)), ignore = "the texts are those of Rust 1.95")]
#[test]
fn mistakes_are_reported_where_they_are_and_nothing_else_is() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/fail/*.rs");
    cases.pass("ui/pass/*.rs");
}
