//! The progress bar.

pub use indicatif::ProgressBar;
use indicatif::ProgressStyle;

/// A bar with the time that has passed, the number of finished `units` and a message.
pub fn progress_bar(length: u64, units: &str) -> ProgressBar {
    let template = format!("{{elapsed:>4}} {{wide_bar}} {{pos}}/{{len}} {units}  {{msg:61}}");
    ProgressBar::new(length).with_style(ProgressStyle::with_template(&template).expect("a valid template"))
}
