//! `harness doctor` on whatever machine this is.

/// Catches a check that is left out, an exit code that says otherwise than the table, and a count
/// that is wrong. What a busy machine does to the times is not judged here.
#[test]
fn the_table_and_the_exit_code_agree() {
    let (code, stdout, stderr) = super::run("doctor");
    let rows: Vec<&str> = stdout.lines().skip(1).collect();
    assert_eq!(rows.len(), 9, "{stdout}{stderr}");
    let all_pass = rows.iter().all(|row| row.ends_with("pass"));
    assert_eq!(code, if all_pass { 0 } else { 4 }, "{stdout}{stderr}");
    for counted in
        ["operations with an outcome", "requests on the wire", "planted loss of data: seen"]
    {
        let row = rows.iter().find(|row| row.contains(counted)).unwrap();
        assert!(row.ends_with("pass"), "{row}");
    }
}
