//! The page: tables and curves. One file, nothing loaded from elsewhere.

use std::error::Error;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::style::RGBColor;

use crate::cli::Cli;
use crate::curves::{Chart, colour};
use crate::descent::STEPS;
use crate::experiments::Curve;
use crate::methods::{DESCENTS, Descent, EQUAL_COST, REGRESSION};
use crate::quality::{Moments, Quality};
use crate::results::Table;

pub struct Content<'a> {
    pub cli: &'a Cli,
    /// Descents, at equal cost, of the regression, quality, other problems, time.
    pub tables: &'a [Table; 6],
    /// Of `DESCENTS`, `EQUAL_COST` and `REGRESSION`, `[STEPS][repeats]` for each.
    pub gaps: [&'a [Vec<Vec<f64>>]; 3],
    pub over_lambda: &'a [Curve],
    pub over_samples: &'a [Curve],
}

pub fn render(content: &Content) -> Result<String, Box<dyn Error>> {
    let [descents, equal_cost, regression, quality, general, costs] = content.tables;
    let over_lambda = |of: fn(&Quality) -> f64| curves("λ in ‖θ‖/‖dz‖", content.over_lambda, of);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Gradient quality" }
                style { (PreEscaped(include_str!("../learning_to_explain/page.css"))) }
            }
            body { main {
                h1 { "Gradient quality" }
                p.lede { "How far does a descent come, and how far off is one gradient? The estimators of the library on problems whose exact gradient is known." }
                h2 { "Descent" }
                (table(descents))
                p.note {
                    "The gap E[ℓ] − min ℓ, mean ± standard deviation over " (content.cli.repeats) " repeats; ℓ = Σ (z − b)², 5 of 10. "
                    "Published: whether all four means agree, and how many standard errors the farthest is off."
                }
                (figure("Gap over updates, one sample", &DESCENTS, content.gaps[0])?)
                (table(equal_cost))
                p.note { "At most 12 MAP solves or 8 exact samples an update, λ and rate the best of a grid for each row. *: not in the library, made of its public steps." }
                (figure("Gap over updates, equal cost", &EQUAL_COST, content.gaps[1])?)
                (table(regression))
                (figure("Loss over updates, regression", &REGRESSION, content.gaps[2])?)
                h2 { "One gradient" }
                (table(quality))
                p.note { "Bias: 1 − cos(exact, mean gradient). Error: the mean of 1 − cos(exact, gradient). Ten seeds, " (content.cli.draws) " gradients each." }
                (legend(content.over_lambda.iter().map(|(name, _)| *name)))
                div.curves {
                    figure { figcaption { "Error over λ" } (PreEscaped(over_lambda(|quality| quality.error)?)) }
                    figure { figcaption { "Bias over λ" } (PreEscaped(over_lambda(|quality| quality.bias)?)) }
                }
                h2 { "Other sizes and losses" }
                (table(general))
                p.note { "Error (bias) at about equal cost. Regression: ℓ = (⟨w, z⟩ − y)². Network: the same behind eight tanh units." }
                (legend(content.over_samples.iter().map(|(name, _)| *name)))
                div.curves {
                    figure { figcaption { "Mean cosine with the exact gradient, network" } (PreEscaped(curves("samples S", content.over_samples, |quality| 1.0 - quality.error)?)) }
                }
                h2 { "Time" }
                (table(costs))
                p.note { "Microseconds for one gradient, loss and dz included, one thread. What is marked * is made of public steps and slower than it would be inside the library." }
            } }
        }
    };
    Ok(page.into_string())
}

fn table(table: &Table) -> Markup {
    html! {
        h3 { (table.title) }
        div.scroll { table {
            thead { tr { @for title in &table.header { th { (title) } } } }
            tbody { @for line in &table.lines { tr { @for cell in line { td { (cell) } } } } }
        } }
    }
}

fn legend<'a>(names: impl Iterator<Item = &'a str>) -> Markup {
    html! {
        p.legend { @for (number, name) in names.enumerate() {
            @let RGBColor(r, g, b) = colour(number);
            span { i style=(format!("background:rgb({r},{g},{b})")) {} (name) }
        } }
    }
}

fn figure(caption: &str, descents: &[Descent], gaps: &[Vec<Vec<f64>>]) -> Result<Markup, Box<dyn Error>> {
    let line = |gaps: &Vec<Vec<f64>>| {
        (1..STEPS).zip(gaps).map(|(step, gaps)| (step as f64, Moments::of(gaps).mean())).collect()
    };
    let lines = gaps.iter().map(line).collect();
    let chart = Chart { x: "updates", x_log: false, y_log: true, lines }.draw()?;
    Ok(html! {
        (legend(descents.iter().map(|descent| descent.method.name)))
        div.curves { figure { figcaption { (caption) } (PreEscaped(chart)) } }
    })
}

fn curves(x: &str, curves: &[Curve], of: impl Fn(&Quality) -> f64) -> Result<String, Box<dyn Error>> {
    let line = |(_, points): &Curve| points.iter().map(|(x, quality)| (*x, of(quality))).collect();
    Chart { x, x_log: true, y_log: false, lines: curves.iter().map(line).collect() }.draw()
}
