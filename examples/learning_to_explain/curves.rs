//! Training curves as SVG.

use std::error::Error;

use plotters::prelude::*;

use crate::training::{Epoch, Method, Run};

const SIZE: (u32, u32) = (460, 330);
const TEXT: i32 = 15;

/// One colour a method, readable on light and on dark ground.
pub fn colour(method: Method) -> RGBColor {
    match method {
        Method::AllWords => RGBColor(139, 148, 158),
        Method::RandomWords => RGBColor(217, 142, 4),
        Method::StraightThrough => RGBColor(168, 85, 247),
        Method::ImplicitMle => RGBColor(14, 140, 200),
    }
}

/// `error` of every run over the epochs, 1 to the last. A dot marks the epoch whose weights were kept.
pub fn draw(runs: &[Run], error: impl Fn(&Epoch) -> f32) -> Result<String, Box<dyn Error>> {
    let values = || runs.iter().flat_map(|run| &run.epochs).map(&error);
    let (low, high) = values().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
    let margin = 0.06 * (high - low).max(0.1);
    let last = runs.iter().map(|run| run.epochs.len()).max().unwrap_or(1);

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(42)
            .y_label_area_size(52)
            .build_cartesian_2d(0.7..last as f32 + 0.3, low - margin..high + margin)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .axis_style(BLACK.mix(0.4))
            .label_style(("sans-serif", TEXT))
            .x_desc("epoch")
            .x_labels(last.min(12))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_labels(6)
            .y_label_formatter(&|y| format!("{y:.1}"))
            .draw()?;
        for run in runs {
            let style = colour(run.model.method);
            let points: Vec<_> = (1..).zip(&run.epochs).map(|(x, epoch)| (x as f32, error(epoch))).collect();
            let kept = points[run.best];
            chart.draw_series(LineSeries::new(points, style.stroke_width(2)))?;
            chart.draw_series([Circle::new(kept, 4, style.filled())])?;
        }
        area.present()?;
    }
    Ok(svg)
}
