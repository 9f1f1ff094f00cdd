//! The tables, as text and for the page.

use maud::{Markup, Render, html};

use crate::descent::STEPS;
use crate::methods::{Descent, General, KINDS, Method, Published};
use crate::problem::Kind;
use crate::quality::{Moments, Quality};

pub struct Table {
    title: &'static str,
    cells: report::Table,
}

impl Table {
    fn new(title: &'static str, header: &[&str], lines: Vec<Vec<String>>) -> Self {
        Self { title, cells: report::Table::new(header, lines) }
    }

    pub fn text(&self) -> String {
        format!("{}\n{}\n", self.title, self.cells.text())
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        html! { h3 { (self.title) } (self.cells) }
    }
}

/// Leaves the zero before the point out.
pub fn short(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    text.strip_prefix("0.").map_or(text.clone(), |digits| format!(".{digits}"))
}

/// The published figures agree if none of them is farther off than this many standard errors of the difference.
const AGREEMENT: f64 = 3.5;
/// Standard error of a figure that was rounded to three digits.
const ROUNDING: f64 = 0.000_5 / 1.732;

/// `differences` are pairs: our figure minus the published one, and the standard error of that.
fn agreement(differences: impl Iterator<Item = (f64, f64)>) -> String {
    let off = differences.map(|(difference, error)| difference.abs() / error.hypot(ROUNDING)).fold(0.0, f64::max);
    let verdict = if off <= AGREEMENT { "agrees" } else { "DIFFERS" };
    format!("{verdict}, {off:.1}")
}

/// The steps in the table.
const SHOWN: [usize; 4] = [5, 10, 20, STEPS - 1];

pub fn descents(title: &'static str, descents: &[Descent], gaps: &[Vec<Vec<f64>>]) -> Table {
    let line = |(descent, gaps): (&Descent, &Vec<Vec<f64>>)| {
        let moments = SHOWN.map(|step| Moments::of(&gaps[step - 1]));
        let published = descent.published.map(|published| {
            let repeats = gaps[0].len() as f64;
            let differences = moments.iter().zip(published).map(|(ours, (mean, deviation))| {
                (ours.mean() - mean, (ours.deviation().powi(2) / repeats + deviation.powi(2) / 100.0).sqrt())
            });
            agreement(differences)
        });
        let method = descent.method;
        let mut cells = vec![method.name.into(), method.samples.to_string(), short(descent.rate.into(), 3)];
        cells.extend(moments.map(|m| format!("{} ± {}", short(m.mean(), 3), short(m.deviation(), 3))));
        cells.push(published.unwrap_or("–".into()));
        cells
    };
    let header = ["estimator", "S", "rate", "after 5", "10", "20", "49 updates", "published"];
    let mut lines: Vec<Vec<String>> = descents.iter().zip(gaps).map(line).collect();
    let columns = if descents.iter().any(|descent| descent.published.is_some()) { 8 } else { 7 };
    lines.iter_mut().for_each(|line| line.truncate(columns));
    Table::new(title, &header[..columns], lines)
}

pub fn qualities(title: &'static str, methods: &[(Method, Published)], qualities: &[Quality]) -> Table {
    let line = |((method, published), ours): (&(Method, Published), &Quality)| {
        let published = published.map(|(bias, error)| {
            // The publication has as many draws, and so the same standard error.
            let differences = [(ours.bias - bias, ours.bias_error), (ours.error - error, ours.error_error)];
            agreement(differences.map(|(difference, error)| (difference, error * 2f64.sqrt())).into_iter())
        });
        let (name, samples) = (method.name.into(), method.samples.to_string());
        vec![name, samples, short(ours.bias, 3), short(ours.error, 3), published.unwrap_or("–".into())]
    };
    let lines = methods.iter().zip(qualities).map(line).collect();
    Table::new(title, &["estimator", "S", "bias", "error", "published"], lines)
}

/// `qualities` has, for every method, one for each of `KINDS`.
pub fn generals(title: &'static str, methods: &[General], qualities: &[Vec<Quality>]) -> Table {
    let line = |(method, qualities): (&General, &Vec<Quality>)| {
        let mut cells = vec![method.name.into(), method.samples.to_string()];
        cells.extend(qualities.iter().map(|q| format!("{} ({})", short(q.error, 3), short(q.bias, 3))));
        cells
    };
    let kinds = KINDS.map(Kind::name);
    let header: Vec<&str> = ["estimator", "S"].into_iter().chain(kinds.iter().map(String::as_str)).collect();
    Table::new(title, &header, methods.iter().zip(qualities).map(line).collect())
}

/// `seconds` has, for every method, one for each of `KINDS`.
pub fn costs(title: &'static str, methods: &[General], seconds: &[Vec<f64>]) -> Table {
    let line = |(method, seconds): (&General, &Vec<f64>)| {
        let solves = method.settings[0].solves(method.samples).map_or("–".into(), |solves| solves.to_string());
        let mut cells = vec![method.name.into(), method.samples.to_string(), solves];
        cells.extend(seconds.iter().map(|seconds| format!("{:.2}", seconds * 1e6)));
        cells
    };
    let kinds = KINDS.map(Kind::name);
    let header: Vec<&str> = ["estimator", "S", "MAP"].into_iter().chain(kinds.iter().map(String::as_str)).collect();
    Table::new(title, &header, methods.iter().zip(seconds).map(line).collect())
}
