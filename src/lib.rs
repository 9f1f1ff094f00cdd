//! Implicit MLE: discrete choices that learn.
//!
//! A model computes scores θ ∈ R^N, uses a discrete structure z ∈ C ⊆ {0,1}^N inside, and is trained by SGD all the
//! same:
//!
//! ```text
//! p(z; θ) ∝ exp⟨z, θ⟩ on C                          the distribution
//! MAP(θ)  = argmax_{z ∈ C} ⟨z, θ⟩                   test time            Imle::map
//! z_s     = MAP(θ + τ ε_s),  ε_s ~ ρ                forward pass         Imle::sample
//! θ'_s    = αθ − λ dz_s,     dz_s = ∇_z ℓ           target
//! ∇_θ L   ≈ (1/λ) · (1/S) Σ_s [ z_s − MAP(θ'_s + τ' ε_s) ]   backward pass   Imle::gradient
//! ```
//!
//! C: k of n ([`TopK`]), one of n ([`Argmax`]), dependency trees ([`Tree`]), or your own [`MapSolver`]. Sizes known at
//! compile time: [`fixed`]. A solver that lives elsewhere: [`perturb()`], [`target()`], [`difference`]. Other
//! estimators of ∇_θ L: [`straight_through()`], SIMPLE ([`Exact::simple`]) and its unbiased form
//! ([`Exact::unbiased_simple`]), the score functions of p ([`Exact::score_function`]) and of the noise
//! ([`perturbed_gradient`]), and the Fenchel–Young loss ([`Imle::fenchel_young`]).
//!
//! ```
//! use imle::{Dz, Forward, Imle, Key, Options, Rows, RowsMut, Shape, States, TopK};
//!
//! // One row of five scores; choose two, draw one sample.
//! let shape = Shape { rows: 1, n: 5, k: 2, samples: 1 };
//! let layer = Imle::new(shape, TopK::new(shape.k), Options::default())?;
//! let theta = [0.3, -1.2, 0.9, 0.0, f32::NEG_INFINITY]; // −inf: never chosen
//! let key = Key { seed: 42, step: 0, ..Key::default() };
//! let mut work = [0.0; 3 * 5];
//!
//! let mut z = [0.0; 5];
//! layer.sample(key, Rows::contiguous(&theta), States::z(&mut z), &mut work)?;
//! assert_eq!(z.iter().sum::<f32>(), 2.0);
//!
//! let dz = [0.5, 0.5, -1.0, 0.0, 0.0]; // ∇_z ℓ, from your model
//! let mut grad = [0.0; 5];
//! let rows = Rows::contiguous(&theta);
//! layer.gradient(key, rows, Dz::per_sample(&dz), Forward::Z(&z), RowsMut::contiguous(&mut grad), &mut work)?;
//! assert_eq!(grad.iter().sum::<f32>(), 0.0);
//! # Ok::<(), imle::Error>(())
//! ```
//!
//! # Guarantees
//! - No allocation, no panic. The caller owns all memory. All unsafe code is in `arch`, which picks the instruction set;
//!   on x86-64 it remembers the answer in one byte of global state.
//! - The noise of a coordinate is a pure function of (seed, step, row, sample, coordinate) and of the law. So padding,
//!   other rows and samples, and any cut of a batch over threads or hosts leave its bits as they are, and the backward pass
//!   replays the forward pass's noise without storing it.
//! - The same bits on every platform. Rust code runs in the default floating-point mode by the rule of the language; the C
//!   functions of `imle.h` see to it themselves, whatever mode their caller has set. A change of bits is called
//!   value-breaking in the changelog.
//! - Exactly k ones; ties go to the lowest index; −0 equals +0; θ = −inf is a mask.
//!
//! # Where to read
//! [`Shape`], [`Rows`] and [`Options`] say what a call takes. To follow Implicit MLE, read `shape`, `key`, `options`,
//! `noise::stream`, `perturbed::scores`, `mask`, `kernel::ties`, then `estimator::perturb`, `target` and `implicit`.
//!
//! These are all modules. Each imports only from those below it, which `ffi/tests/imports.rs` enforces.
//!
//! - `guide`: which estimator to take, common mistakes, a glossary, and a dictionary for users of torch-imle and AIMLE.
//! - `fixed`: sizes known at compile time.
//! - `estimator`: the forward pass (`perturb`), θ' (`target`), the gradient (`implicit`), λ (`adaptive`), and the other
//!   estimators, one a file.
//! - `exact`: the distribution p itself, in closed form.
//! - `door`: every check of the data that a call is given.
//! - `map`: MAP(θ), one constraint set a file.
//! - `perturbed`: θ + τε and its k largest, by the fastest way; `scores` has the arithmetic.
//! - `views`: strided rows, states and index lists in the caller's memory.
//! - `options`: how to draw and how to estimate.
//! - `noise`: from the key to words to ε, one law a file.
//! - `mask`: the rule for masked coordinates.
//! - `kernel`: loops over plain slices; `ties` has the rule for equal scores. You may skip the rest.
//! - `arch`: the instruction sets, and all unsafe code.
//! - `float`: the order of scores, ln, exp, sums.
//! - `key`: the name of a call's noise.
//! - `shape`: the sizes of a call.
//! - `error`: the reasons to refuse a call.

#![cfg_attr(not(test), no_std)]
#![deny(unsafe_code)] // arch/ alone has some
#![deny(missing_docs)]
// No panic can be reached from the public interface: nothing here may index, unwrap.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod arch;
mod door;
mod error;
mod estimator;
mod exact;
pub mod fixed;
mod float;
pub mod guide;
mod kernel;
mod key;
mod map;
mod mask;
mod noise;
mod options;
mod perturbed;
mod shape;
mod views;

pub use arch::{instruction_set, instruction_set_c};
pub use error::{Argument, Error, Rule};
pub use estimator::{
    Adaptive, AdaptiveParts, AdaptiveRule, Diagnostics, Imle, Side, difference, noise, perturb, perturbed_gradient,
    straight_through, target, workspace_len,
};
pub use exact::{Distribution, Exact, ExactOutputs};
pub use key::Key;
pub use map::{Argmax, MapSolver, TopK, Tree, Unsolved};
pub use noise::Noise;
pub use options::{Coupling, Difference, Options, Scale, Target};
pub use shape::{MAX_SAMPLES, Shape};
pub use views::rows::{Dz, Rows, RowsMut, dz_span, rows_span};
pub use views::states::{Forward, States};

/// The README's Rust program, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
