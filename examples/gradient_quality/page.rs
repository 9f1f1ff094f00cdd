//! The page: tables and curves.

use std::error::Error;

use maud::{Markup, html};
use report::{Chart, Line, RGBColor, figure, legend};

use crate::cli::Cli;
use crate::descent::STEPS;
use crate::experiments::Curve;
use crate::methods::Descent;
use crate::quality::{Moments, Quality};
use crate::results::Table;

pub struct Content<'a> {
    pub cli: &'a Cli,
    /// The descents, those at equal cost, those of the regression, the quality, other problems, the times.
    pub tables: &'a [Table; 6],
    pub published: Gaps<'a>,
    pub equal_cost: Gaps<'a>,
    pub regression: Gaps<'a>,
    pub over_lambda: &'a [Curve],
    pub over_samples: &'a [Curve],
}

/// Descents, and for each of them the gaps `[STEPS][repeats]`.
type Gaps<'a> = (&'a [Descent], &'a [Vec<Vec<f64>>]);

/// Readable on a light and on a dark ground.
const COLOURS: [RGBColor; 13] = [
    RGBColor(139, 148, 158),
    RGBColor(217, 142, 4),
    RGBColor(14, 140, 200),
    RGBColor(168, 85, 247),
    RGBColor(46, 160, 67),
    RGBColor(219, 68, 85),
    RGBColor(0, 160, 160),
    RGBColor(190, 110, 60),
    RGBColor(120, 120, 220),
    RGBColor(150, 180, 60),
    RGBColor(230, 130, 180),
    RGBColor(110, 170, 230),
    RGBColor(200, 80, 150),
];

pub fn render(content: &Content) -> Result<String, Box<dyn Error>> {
    let [descents, equal_cost, regression, quality, general, costs] = content.tables;
    let over_lambda = |of: fn(&Quality) -> f64| curves("λ in ‖θ‖/‖dz‖", content.over_lambda, of);
    let body = html! {
        p.lede { "How far does a descent come, and how far off is one gradient? The estimators of the library on problems whose exact gradient is known." }
        h2 { "Descent" }
        (descents)
        p.note {
            "The gap E[ℓ] − min ℓ, mean ± standard deviation over " (content.cli.repeats) " repeats; ℓ = Σ (z − b)², 5 of 10. "
            "Published: whether all four means agree, and how many standard errors the farthest is off."
        }
        (gaps("Gap over updates, one sample", content.published)?)
        (equal_cost)
        p.note { "At most 12 MAP solves or 8 exact samples an update, λ and rate the best of a grid for each row." }
        (gaps("Gap over updates, equal cost", content.equal_cost)?)
        (regression)
        (gaps("Loss over updates, regression", content.regression)?)
        h2 { "One gradient" }
        (quality)
        p.note { "Bias: 1 − cos(exact, mean gradient). Error: the mean of 1 − cos(exact, gradient). Ten seeds, " (content.cli.draws) " gradients each." }
        (names(content.over_lambda.iter().map(|(name, _)| *name)))
        div.curves {
            (figure("Error over λ", over_lambda(|quality| quality.error)?))
            (figure("Bias over λ", over_lambda(|quality| quality.bias)?))
        }
        h2 { "Other sizes and losses" }
        (general)
        p.note { "Error (bias) at about equal cost. *: not in the library, made of its public steps. Regression: ℓ = (⟨w, z⟩ − y)². Network: the same behind eight tanh units." }
        (names(content.over_samples.iter().map(|(name, _)| *name)))
        div.curves {
            (figure("Mean cosine with the exact gradient, network", curves("samples S", content.over_samples, |quality| 1.0 - quality.error)?))
        }
        h2 { "Time" }
        (costs)
        p.note { "Microseconds for one gradient, loss and dz included, one thread. What is marked * is made of public steps and slower than it would be inside the library." }
    };
    Ok(report::page("Gradient quality", body))
}

/// The legend of curves that have the colours of their numbers.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    legend(names.zip(COLOURS))
}

/// The mean gap of each descent over the updates.
fn gaps(caption: &str, (descents, gaps): Gaps) -> Result<Markup, Box<dyn Error>> {
    let points = |gaps: &Vec<Vec<f64>>| {
        (1..STEPS).zip(gaps).map(|(step, gaps)| (step as f64, Moments::of(gaps).mean())).collect()
    };
    let lines = lines(gaps.iter().map(points));
    let chart = Chart { x: "updates", x_log: false, y_log: true, lines }.draw()?;
    Ok(html! {
        (names(descents.iter().map(|descent| descent.method.name)))
        div.curves { (figure(caption, chart)) }
    })
}

fn curves(x: &str, curves: &[Curve], of: impl Fn(&Quality) -> f64) -> Result<String, Box<dyn Error>> {
    let points = |(_, points): &Curve| points.iter().map(|(x, quality)| (*x, of(quality))).collect();
    Chart { x, x_log: true, y_log: false, lines: lines(curves.iter().map(points)) }.draw()
}

/// Each curve in the colour of its number.
fn lines(curves: impl Iterator<Item = Vec<(f64, f64)>>) -> Vec<Line> {
    curves.zip(COLOURS).map(|(points, colour)| Line { colour, points, dot: None }).collect()
}
