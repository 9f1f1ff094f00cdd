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
    /// Draws the lines. A logarithmic axis shows the logarithm, and its labels show the value.
    pub fn draw(&self) -> Result<String, Box<dyn Error>> {
        let place = |&(x, y): &(f64, f64)| (scale(self.x_log, x), scale(self.y_log, y));
        let all: Vec<_> = self.lines.iter().flat_map(|line| &line.points).map(place).collect();
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
    let margin = 0.05 * (high - low).max(0.1);
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
