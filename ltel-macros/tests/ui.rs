//! What a user reads who got something wrong. One file per kind of mistake; the expected text beside it is ours alone.

#[test]
fn mistakes() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
