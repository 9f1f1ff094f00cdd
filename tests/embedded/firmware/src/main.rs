//! Firmware in Rust alone: it uses the core without the C ABI. On the host the same program prints the same bits.

#![cfg_attr(target_os = "none", no_std, no_main)]
// The semihosting macro does not accept arguments inside the text.
#![allow(clippy::uninlined_format_args)]

use imle::{Difference, Dz, Error, Exact, ExactOutputs, Imle, Key, Options, Rows, RowsMut, Shape, States, TopK, fixed, Forward};

#[cfg(target_os = "none")]
use cortex_m_semihosting::hprintln as println;

const N: usize = 33;
const K: usize = 5;
const KEY: Key<'_> = Key { seed: 42, step: 7, row0: 100, row_ids: None, sample0: 0, strata: 0 };

fn show(name: &str, values: &[f32]) {
    println!("{}", name);
    for value in values {
        println!("  {:08x}", value.to_bits());
    }
}

/// Multiples of 1/4 from -4 to 3.5, which are exact in f32.
fn quarters(factor: usize) -> [f32; N] {
    core::array::from_fn(|i| (i * factor % 31) as f32 / 4.0 - 4.0)
}

/// The layer with sizes that are known at compile time.
fn arrays(options: Options) -> Result<(), Error> {
    let layer = fixed::Layer::<N, K>::new(options)?;
    let theta = quarters(7);
    println!("map {:?}", layer.map(&theta)?);
    println!("samples {:?}", layer.sample::<3>(KEY, &theta)?);
    let (grad, diagnostics) = layer.gradient(KEY, &theta, &[quarters(11), quarters(13)])?;
    show("gradient", &grad);
    println!("{:?}", diagnostics);
    Ok(())
}

/// The layer with sizes that are known at run time.
fn slices(options: Options) -> Result<(), Error> {
    let shape = Shape { rows: 1, n: N as u32, k: K as u32, samples: 2 };
    let layer = Imle::new(shape, TopK::new(shape.k), options)?;
    let (theta, dz) = (quarters(7), quarters(11));
    let (mut z, mut grad, mut work) = ([0.0; 2 * N], [0.0; N], [f32::NAN; 3 * N]);
    layer.sample(KEY, Rows::contiguous(&theta), States::z(&mut z), &mut work)?;
    show("z", &z);
    let out = RowsMut::contiguous(&mut grad);
    layer.gradient(KEY, Rows::contiguous(&theta), Dz::shared(&dz), Forward::Replay, out, &mut work)?;
    show("gradient", &grad);
    Ok(())
}

fn exact() -> Result<(), Error> {
    let shape = Shape { rows: 1, n: N as u32, k: K as u32, samples: 1 };
    let exact = Exact::new(shape, TopK::new(shape.k), 0.5)?;
    let theta = quarters(7);
    let mut work = [f32::NAN; (N + 12) * (K + 1) + 3 * N + 136];
    let (mut mu, mut log_partition, mut entropy) = ([0.0; N], [0.0; 1], [0.0; 1]);
    let moments =
        ExactOutputs { marginals: Some(&mut mu), log_partition: Some(&mut log_partition), entropy: Some(&mut entropy) };
    exact.marginals(Rows::contiguous(&theta), moments, &mut work)?;
    show("marginals", &mu);
    show("log-partition", &log_partition);
    show("entropy", &entropy);
    Ok(())
}

fn run() -> Result<(), Error> {
    let options = Options { lambda: 3.0, ..Options::default() };
    arrays(options)?;
    slices(Options { difference: Difference::Central, target_temperature: 0.75, alpha: 0.875, ..options })?;
    exact()
}

#[cfg(not(target_os = "none"))]
fn main() -> Result<(), Error> {
    run()
}

#[cfg(target_os = "none")]
#[cortex_m_rt::entry]
fn main() -> ! {
    use cortex_m_semihosting::debug::{EXIT_FAILURE, EXIT_SUCCESS, exit};
    let result = run();
    if let Err(error) = result {
        println!("{}", error);
    }
    exit(if result.is_ok() { EXIT_SUCCESS } else { EXIT_FAILURE });
    panic!("the emulator did not stop")
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
