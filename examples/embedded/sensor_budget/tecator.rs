//! The spectra of `tecator.csv`.

use std::array::from_fn;

pub const CHANNELS: usize = 100;
pub const FAT: usize = CHANNELS;

/// Absorbances in 10⁻⁴, then fat in 0.1 %.
pub type Spectrum = [u16; CHANNELS + 1];

/// The training spectra and the test spectra.
pub fn spectra() -> (Vec<Spectrum>, Vec<Spectrum>) {
    let spectrum = |line: &str| {
        let mut values = line.split(',').map(|value| value.parse().expect("tecator.csv has numbers below 65536"));
        from_fn(|_| values.next().expect("tecator.csv has 101 columns"))
    };
    let mut training: Vec<_> = include_str!("tecator.csv").lines().map(spectrum).collect();
    let test = training.split_off(172);
    (training, test)
}
