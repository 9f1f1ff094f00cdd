//! Curves as SVG.

use std::error::Error;

use plotters::prelude::*;

const SIZE: (u32, u32) = (460, 330);
const TEXT: i32 = 15;

/// Readable on light and on dark ground.
const COLOURS: [RGBColor; 11] = [
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
];

pub fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

pub struct Chart<'a> {
    pub x: &'a str,
    /// A logarithmic x axis.
    pub x_log: bool,
    /// A logarithmic y axis.
    pub y_log: bool,
    /// Each in the colour of its number.
    pub lines: Vec<Vec<(f64, f64)>>,
}

impl Chart<'_> {
    /// Logarithmic axes show the logarithm and are labelled with the value.
    pub fn draw(&self) -> Result<String, Box<dyn Error>> {
        let scale = |log: bool, value: f64| if log { value.max(1e-4).log10() } else { value };
        let points = |line: &[(f64, f64)]| -> Vec<(f64, f64)> {
            line.iter().map(|&(x, y)| (scale(self.x_log, x), scale(self.y_log, y))).collect()
        };
        let lines: Vec<_> = self.lines.iter().map(|line| points(line)).collect();
        let range = |of: fn(&(f64, f64)) -> f64| {
            let values = || lines.iter().flatten().map(of);
            let (low, high) =
                values().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
            let margin = 0.05 * (high - low).max(0.1);
            low - margin..high + margin
        };
        let label = |log: bool, value: f64| match (log, 10f64.powf(value)) {
            (false, _) => format!("{}", (value * 100.0).round() / 100.0),
            (true, value) if value >= 10.0 => format!("{value:.0}"),
            (true, value) if value >= 0.1 => format!("{value:.1}"),
            (true, value) => format!("{value:.3}"),
        };

        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut chart = ChartBuilder::on(&area)
                .margin(8)
                .x_label_area_size(42)
                .y_label_area_size(52)
                .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
            chart
                .configure_mesh()
                .disable_x_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.12))
                .axis_style(BLACK.mix(0.4))
                .label_style(("sans-serif", TEXT))
                .x_desc(self.x)
                .x_labels(7)
                .y_labels(6)
                .x_label_formatter(&|x| label(self.x_log, *x))
                .y_label_formatter(&|y| label(self.y_log, *y))
                .draw()?;
            for (number, line) in lines.into_iter().enumerate() {
                chart.draw_series(LineSeries::new(line, colour(number).stroke_width(2)))?;
            }
            area.present()?;
        }
        Ok(svg)
    }
}
