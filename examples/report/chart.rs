//! Curves as SVG.

use std::error::Error;
use std::ops::Range;

use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
pub use plotters::style::RGBColor;

const SIZE: (u32, u32) = (460, 330);
const TEXT: i32 = 15;

pub struct Line {
    pub colour: RGBColor,
    pub points: Vec<(f64, f64)>,
    /// The number of the point that gets a dot.
    pub dot: Option<usize>,
}

pub struct Chart<'a> {
    /// The name of the x axis.
    pub x: &'a str,
    /// A logarithmic x axis.
    pub x_log: bool,
    /// A logarithmic y axis.
    pub y_log: bool,
    pub lines: Vec<Line>,
}

impl Chart<'_> {
    /// Draws the lines. A logarithmic axis shows the logarithm, and its labels show the value. An error if there is no
    /// point, or one that is not finite: the search for labels on such an axis would not end.
    pub fn draw(&self) -> Result<String, Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        if points().next().is_none() {
            return Err(format!("the curves over {} have no points", self.x).into());
        }
        if let Some((x, y)) = points().find(|(x, y)| !(x.is_finite() && y.is_finite())) {
            return Err(format!("a curve has a point that cannot be drawn: {} {x}, value {y}", self.x).into());
        }
        let place = |&(x, y): &(f64, f64)| (scale(self.x_log, x), scale(self.y_log, y));
        let all: Vec<_> = points().map(place).collect();
        let (x, y) = (range(all.iter().map(|point| point.0)), range(all.iter().map(|point| point.1)));

        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .x_label_area_size(42)
                .y_label_area_size(52)
                .build_cartesian_2d(x, y)?;
            mesh(&mut chart)
                .x_desc(self.x)
                .x_labels(7)
                .y_labels(6)
                .x_label_formatter(&|x| label(self.x_log, *x))
                .y_label_formatter(&|y| label(self.y_log, *y))
                .draw()?;
            for line in &self.lines {
                let points: Vec<_> = line.points.iter().map(place).collect();
                let dot = line.dot.map(|dot| Circle::new(points[dot], 4, line.colour.filled()));
                chart.draw_series(LineSeries::new(points, line.colour.stroke_width(2)))?;
                chart.draw_series(dot)?;
            }
            area.present()?;
        }
        Ok(svg)
    }
}

/// Faint lines across the chart, and none from top to bottom.
pub fn mesh<'a, 'b, DB, X, Y>(chart: &'b mut ChartContext<'a, DB, Cartesian2d<X, Y>>) -> MeshStyle<'a, 'b, X, Y, DB>
where
    DB: DrawingBackend,
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let mut mesh = chart.configure_mesh();
    mesh.disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.4))
        .label_style(("sans-serif", TEXT));
    mesh
}

fn scale(log: bool, value: f64) -> f64 {
    if log { value.max(1e-4).log10() } else { value }
}

fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    // Equal values need a margin, too, and one that is not rounded away next to them.
    let margin = 0.05 * (high - low).max(0.1).max(1e-6 * high.abs().max(low.abs()));
    low - margin..high + margin
}

fn label(log: bool, value: f64) -> String {
    match (log, 10f64.powf(value)) {
        (false, _) => format!("{}", (value * 100.0).round() / 100.0),
        (true, value) if value >= 10.0 => format!("{value:.0}"),
        (true, value) if value >= 0.1 => format!("{value:.1}"),
        (true, value) => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: &[f64]) -> Result<String, String> {
        let points = (1..).zip(values).map(|(x, &y)| (f64::from(x), y)).collect();
        let lines = vec![Line { colour: RGBColor(0, 0, 0), points, dot: None }];
        let chart = Chart { x: "epoch", x_log: false, y_log: false, lines };
        chart.draw().map_err(|error| error.to_string())
    }

    #[test]
    fn values_of_every_finite_size_are_drawn() {
        for size in [0.0, 1e-300, 1e-9, 1.0, 1e9, 1e30] {
            for values in [&[size][..], &[size, size], &[-size, size], &[0.0, size], &[size, 1.000_001 * size]] {
                assert!(drawn(values).is_ok_and(|svg| svg.ends_with("</svg>\n")), "{values:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let message = format!("a curve has a point that cannot be drawn: epoch 2, value {bad}");
            assert_eq!(drawn(&[1.0, bad, 2.0]), Err(message));
        }
        assert_eq!(drawn(&[]), Err("the curves over epoch have no points".into()));
    }
}
