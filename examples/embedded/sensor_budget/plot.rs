//! Draws the figure from the text that the firmware and its Rust twin print:
//! `cargo run --release -p sensor_budget | cargo run --release -p sensor_budget --bin sensor_budget_plot -- FILE.svg`.

mod tecator;

use std::error::Error;
use std::io::stdin;
use std::process::ExitCode;

use clap::{Arg, Command};
use plotters::coord::Shift;
use plotters::prelude::*;
use report::mesh;

use crate::tecator::{CHANNELS, FAT, spectra};

const SIZE: (u32, u32) = (860, 620);
const TEXT: i32 = 15;

/// The course of the first seed for one k.
struct Curve {
    k: u32,
    /// Steps and their training errors.
    points: Vec<(f32, f32)>,
    /// The channels that are chosen after the last step.
    channels: Vec<usize>,
}

impl Curve {
    fn colour(&self) -> RGBColor {
        if self.k == 4 { RGBColor(14, 140, 200) } else { RGBColor(217, 100, 4) }
    }
}

/// Reads lines such as `k = 4` and `step   32: training error 0.0508, channels 28 32 38 47`.
fn parse(transcript: &str) -> Option<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    for line in transcript.lines() {
        if let Some(k) = line.strip_prefix("k = ") {
            curves.push(Curve { k: k.parse().ok()?, points: Vec::new(), channels: Vec::new() });
        } else if let Some(step) = line.strip_prefix("step ") {
            let (step, rest) = step.split_once(": training error ")?;
            let (error, channels) = rest.split_once(", channels ")?;
            let curve = curves.last_mut()?;
            curve.points.push((step.trim().parse().ok()?, error.parse().ok()?));
            curve.channels = channels.split(' ').map(|channel| channel.parse().ok()).collect::<Option<_>>()?;
        }
    }
    (!curves.is_empty()).then_some(curves)
}

/// In nm. The channels are spread evenly from 850 to 1050.
fn wavelength(channel: usize) -> f32 {
    850.0 + 200.0 * channel as f32 / (CHANNELS - 1) as f32
}

/// Draws the spectra, darker where there is more fat, and the chosen channels.
fn draw_channels(area: &DrawingArea<SVGBackend, Shift>, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(848.0f32..1052.0, 1.8f32..5.8)?;
    mesh(&mut chart)
        .disable_mesh()
        .x_desc("wavelength, nm")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_desc("absorbance")
        .y_labels(5)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    for reading in spectra().0.iter().step_by(8) {
        let grey = BLACK.mix(0.12 + 0.5 * f64::from(reading[FAT]) / 500.0);
        let points = (0..CHANNELS).map(|i| (wavelength(i), f32::from(reading[i]) / 1e4));
        chart.draw_series(LineSeries::new(points, grey))?;
    }
    for (level, curve) in curves.iter().enumerate() {
        let (style, top) = (curve.colour().stroke_width(2), 5.7 - 0.35 * level as f32);
        for &channel in &curve.channels {
            let x = wavelength(channel);
            chart.draw_series(LineSeries::new([(x, 1.8), (x, top)], style))?;
            chart.draw_series([Circle::new((x, top), 4, curve.colour().filled())])?;
        }
        let style = ("sans-serif", TEXT).into_font().color(&curve.colour());
        chart.draw_series([Text::new(format!("k = {}", curve.k), (849.0, top + 0.12), style)])?;
    }
    Ok(())
}

/// Draws the training error over the steps.
fn draw_curves(area: &DrawingArea<SVGBackend, Shift>, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d((1f32..1100.0).log_scale(), (0.02f32..1.0).log_scale())?;
    mesh(&mut chart)
        .x_desc("step")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_desc("training error, 1 − R²")
        .y_labels(5)
        .draw()?;
    for curve in curves {
        let points = curve.points.iter().copied().filter(|&(step, _)| step > 0.0);
        chart.draw_series(LineSeries::new(points.clone(), curve.colour().stroke_width(2)))?;
        chart.draw_series(points.map(|point| Circle::new(point, 3, curve.colour().filled())))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let file = Arg::new("FILE.svg").required(true).help("The figure to write");
    let command = Command::new("sensor_budget_plot").about("Draws what sensor_budget prints, from standard input");
    let matches = command.arg(file).get_matches();
    let file = matches.get_one::<String>("FILE.svg").expect("it is required");
    report::exit(draw(file).map_err(|error| error.to_string()))
}

fn draw(file: &str) -> Result<(), Box<dyn Error>> {
    let text = std::io::read_to_string(stdin())?;
    let curves = parse(&text).ok_or("standard input is not the output of sensor_budget")?;
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (above, below) = area.split_vertically(340);
    draw_channels(&above, &curves)?;
    draw_curves(&below, &curves)?;
    area.present()?;
    Ok(())
}
