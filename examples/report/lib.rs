//! The parts that the example programs share: jobs over all cores with a progress bar, tables, curves, one HTML page, and how a
//! program ends.

mod chart;
mod ending;
mod page;
mod parallel;
mod progress;
mod table;

pub use chart::{Chart, Line, RGBColor, mesh};
pub use ending::{check_writable, exit, publish};
pub use page::{figure, legend, page};
pub use parallel::in_parallel;
pub use progress::{ProgressBar, progress_bar};
pub use table::Table;
