//! How a program ends: with a page and a table, or with one line and exit code 2.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Finds out before the work that the page cannot be written.
pub fn check_writable(out: &Path) -> Result<(), String> {
    let opened = OpenOptions::new().append(true).create(true).open(out);
    opened.map(drop).map_err(|error| format!("{}: {error}", out.display()))
}

/// Writes the page to `out` and the text to standard output.
pub fn publish(out: &Path, page: &str, text: &str) -> Result<(), String> {
    fs::write(out, page).map_err(|error| format!("{}: {error}", out.display()))?;
    io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

/// Prints the error, if there is one, and makes it exit code 2.
pub fn exit(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}
