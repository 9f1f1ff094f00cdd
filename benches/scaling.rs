//! Measures how time grows with n, k, S, rows and threads: cargo bench -p imle-benches --bench scaling
//!
//! It writes scaling.csv and scaling.svg beside this file. Run as a test, without the flag of cargo bench, it uses small
//! sizes and writes no files.

mod case;

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::thread;
use std::time::Instant;

use case::{Call, Case};
use imle::{Noise, Shape};
use plotters::prelude::*;

/// The size that grows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    N,
    K,
    S,
    Rows,
    Threads,
}

struct Curve {
    axis: Axis,
    call: Call,
    /// Sizes and nanoseconds per coordinate.
    points: Vec<(f64, f64)>,
}

impl Axis {
    const ALL: [Axis; 5] = [Axis::N, Axis::K, Axis::S, Axis::Rows, Axis::Threads];

    fn title(self) -> &'static str {
        match self {
            Axis::N => "n (1 row, k = 5, S = 1)",
            Axis::K => "k (64 rows of 350, S = 1)",
            Axis::S => "S (64 rows of 350, k = 10)",
            Axis::Rows => "rows (of 350, k = 10, S = 1)",
            Axis::Threads => "threads (3200 rows of 350, k = 10, S = 1)",
        }
    }

    fn sizes(self) -> Vec<u32> {
        match self {
            Axis::N => [10, 32, 100, 316].into_iter().chain((10..=23).map(|e| 1 << e)).collect(),
            Axis::K => vec![1, 2, 5, 10, 20, 50, 100, 175, 250, 349],
            Axis::S => vec![1, 2, 5, 10, 20, 50, 100],
            Axis::Rows => vec![1, 2, 5, 10, 20, 50, 100, 1000, 10_000],
            Axis::Threads => (1..=thread::available_parallelism().map_or(1, |threads| threads.get() as u32)).collect(),
        }
    }

    /// The shape of one thread's part.
    fn shape(self, size: u32) -> Shape {
        let (rows, n, k, samples) = match self {
            Axis::N => (1, size, 5, 1),
            Axis::K => (64, 350, size, 1),
            Axis::S => (64, 350, 10, size),
            Axis::Rows => (size, 350, 10, 1),
            Axis::Threads => (3200 / size, 350, 10, 1),
        };
        Shape { rows, n, k, samples }
    }

    fn measure(self, call: Call, size: u32, seconds: f64) -> f64 {
        let threads = if self == Axis::Threads { size } else { 1 };
        let mut cases: Vec<_> = (0..threads).map(|_| Case::new(self.shape(size), Noise::Gumbel)).collect();
        let coordinates: usize = cases.iter().map(|case| case.coordinates(call)).sum();
        match &mut cases[..] {
            [case] => fastest(|| case.run(call), coordinates, seconds),
            cases => {
                let run =
                    || thread::scope(|scope| cases.iter_mut().for_each(|case| drop(scope.spawn(|| case.run(call)))));
                fastest(run, coordinates, seconds)
            }
        }
    }
}

/// Nanoseconds per coordinate of the fastest of the calls in `seconds`, which are at least three. Several short calls are
/// timed together, so that the cost of the clock does not count.
fn fastest(mut run: impl FnMut(), coordinates: usize, seconds: f64) -> f64 {
    let together = (10_000 / coordinates).max(1);
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    let mut calls = 0;
    while calls < 3 || begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        (0..together).for_each(|_| run());
        best = best.min(start.elapsed().as_secs_f64());
        calls += 1;
    }
    best * 1e9 / (together * coordinates) as f64
}

fn curves(axis: Axis, largest: u32, seconds: f64) -> impl Iterator<Item = Curve> {
    let calls = Call::ALL.into_iter().filter(move |call| axis != Axis::S || call.has_samples());
    // How much longer MAP takes than one read of θ: their ratio changes slowly with n.
    let calls = calls.chain((axis == Axis::N).then_some(Call::Read));
    calls.map(move |call| {
        let sizes = axis.sizes().into_iter().filter(|&size| size <= largest);
        let points = sizes.map(|size| (f64::from(size), axis.measure(call, size, seconds))).collect();
        Curve { axis, call, points }
    })
}

fn csv(curves: &[Curve]) -> String {
    let mut csv = String::from("over,size,call,ns_per_coordinate\n");
    for curve in curves {
        for (size, ns) in &curve.points {
            writeln!(csv, "{:?},{size},{},{ns:.3}", curve.axis, curve.call.name()).unwrap();
        }
    }
    csv
}

fn colour(call: Call) -> RGBColor {
    match call {
        Call::Map => RGBColor(139, 148, 158),
        Call::Sample => RGBColor(14, 140, 200),
        Call::Gradient => RGBColor(168, 85, 247),
        Call::Marginals => RGBColor(217, 142, 4),
        Call::Vjp => RGBColor(200, 40, 60),
        Call::Read => RGBColor(0, 0, 0),
    }
}

fn svg(curves: &[Curve]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (1260, 700)).into_drawing_area();
        area.fill(&WHITE)?;
        let panels = area.split_evenly((2, 3));
        let times = || curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
        let (lowest, highest) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
        for (axis, panel) in Axis::ALL.into_iter().zip(&panels) {
            let curves = curves.iter().filter(|curve| curve.axis == axis);
            let (first, last) =
                (f64::from(axis.sizes()[0]), axis.sizes().into_iter().fold(2.0, |last, x| f64::from(x).max(last)));
            let mut chart = ChartBuilder::on(panel)
                .margin(10)
                .margin_right(24)
                .x_label_area_size(44)
                .y_label_area_size(56)
                .build_cartesian_2d((first..last).log_scale(), (lowest / 1.5..highest * 1.5).log_scale())?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .bold_line_style(BLACK.mix(0.12))
                .label_style(("sans-serif", 14))
                .x_desc(axis.title())
                .x_label_formatter(&|&x| if x < 1e4 { format!("{x:.0}") } else { format!("{x:e}") })
                .y_desc("ns per coordinate")
                .y_label_formatter(&f64::to_string)
                .draw()?;
            for curve in curves {
                let style = colour(curve.call);
                chart.draw_series(LineSeries::new(curve.points.iter().copied(), style.stroke_width(2)))?;
                chart.draw_series(curve.points.iter().map(|&point| Circle::new(point, 3, style.filled())))?;
            }
        }
        for (line, call) in (0..).zip(Call::ALL.into_iter().chain([Call::Read])) {
            let style = ("sans-serif", 20).into_font().color(&colour(call));
            panels[5].draw_text(call.name(), &style, (80, 60 + 36 * line))?;
        }
        area.present()?;
    }
    Ok(svg)
}

fn main() -> Result<(), Box<dyn Error>> {
    let bench = std::env::args().any(|argument| argument == "--bench");
    let (largest, seconds) = if bench { (u32::MAX, 0.05) } else { (100, 0.0) };
    let curves: Vec<_> = Axis::ALL.into_iter().flat_map(|axis| curves(axis, largest, seconds)).collect();
    let (csv, svg) = (csv(&curves), svg(&curves)?);
    print!("{csv}");
    if bench {
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/scaling.csv"), csv)?;
        fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/scaling.svg"), svg)?;
    }
    Ok(())
}
