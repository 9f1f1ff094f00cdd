//! No function of imle.h is forgotten.

use std::collections::BTreeSet;

#[path = "../src/table.rs"]
#[allow(dead_code, reason = "only the names are read")]
mod table;

#[test]
fn the_fuzzer_knows_every_function_of_the_header() {
    let header = include_str!("../../../include/imle.h");
    let code = header.lines().filter(|line| !line.trim_start().starts_with("//"));
    let declared: BTreeSet<&str> = code
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("imle_"))
        .collect();
    let known: BTreeSet<&str> = table::FUNCTIONS.iter().map(|f| f.name).chain(table::SIMPLE).collect();
    assert_eq!(declared, known);
}
