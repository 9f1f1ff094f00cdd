//! The layer for sizes that the compiler knows: arrays in, arrays out.
//!
//! One row of N scores, K of them chosen. There are no slices and no workspace argument (the workspace is 3·N floats of
//! stack), and the types exclude every error but bad floats. The kernels, and so the bits, are those of
//! [`Imle`](crate::Imle).
//!
//! ```
//! use imle::{Key, Options, fixed};
//!
//! let layer = fixed::Layer::<6, 2>::new(Options { lambda: 4.0, ..Options::default() })?;
//! let theta = [0.1, 0.9, -0.3, 0.7, 0.0, -2.0];
//! let key = Key { seed: 42, ..Key::default() };
//!
//! let [first, _] = layer.sample::<2>(key, &theta)?; // two samples
//! assert!(first[0] < first[1]); // the chosen positions, ascending
//!
//! let dz = [[0.5, -0.5, 0.0, 0.0, 1.0, 0.0]; 2]; // ∇_z ℓ of each sample
//! let (grad_theta, _) = layer.gradient(key, &theta, &dz)?;
//! assert_eq!(grad_theta.iter().sum::<f32>(), 0.0);
//!
//! assert_eq!(layer.map(&theta)?, [1, 3]); // test time
//! # Ok::<(), imle::Error>(())
//! ```
//!
//! With the feature `heapless`, `map_up_to` takes k at run time, up to K.
//!
//! Choosing more than there are scores does not compile:
//!
//! ```compile_fail
//! let layer = imle::fixed::Layer::<3, 4>::new(imle::Options::default());
//! ```
//!
//! Neither does a layer without scores, nor a call without samples:
//!
//! ```compile_fail
//! let layer = imle::fixed::Layer::<0, 0>::new(imle::Options::default());
//! ```
//!
//! ```compile_fail
//! let layer = imle::fixed::Layer::<3, 1>::new(imle::Options::default())?;
//! layer.sample::<0>(imle::Key::default(), &[0.0; 3])?;
//! # Ok::<(), imle::Error>(())
//! ```

use crate::door::{check_row, solve};
use crate::error::BadRow;
use crate::estimator::{Row, for_rows_with_noise, noise_words};
use crate::views::rows::DzView;
use crate::views::state::State;
use crate::{Diagnostics, Error, Key, Options, Shape, TopK};

/// The K chosen positions, ascending.
pub type Chosen<const K: usize> = [u32; K];

/// A layer that chooses K of N scores; K = 1 is argmax.
#[derive(Clone, Copy, Debug)]
pub struct Layer<const N: usize, const K: usize> {
    options: Options,
    solver: TopK<'static>,
}

impl<const N: usize, const K: usize> Layer<N, K> {
    /// Compiles only if 1 ≤ N, K ≤ N, and N fits the 32 bits of an index.
    const SHAPE: Shape = {
        let shape = Shape { rows: 1, n: N as u32, k: K as u32, samples: 1 };
        assert!(shape.check().is_ok() && N <= u32::MAX as usize && K <= N, "N must be at least 1 and K at most N");
        shape
    };

    /// Checks the options; the compiler has checked the sizes.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn new(options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(Layer { options, solver: TopK::new(Self::SHAPE.k) })
    }

    /// MAP(θ). O(N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn map(&self, theta: &[f32; N]) -> Result<Chosen<K>, Error> {
        let mut list = [0; K];
        map_row(&self.solver, theta, &mut list)?;
        Ok(list)
    }

    /// MAP(θ) with k ≤ K ones, for a k that is known only at run time. Order and tie rule are those of
    /// [`map`](Layer::map). Needs the feature `heapless`. O(N).
    ///
    /// ```
    /// let layer = imle::fixed::Layer::<4, 3>::new(imle::Options::default())?;
    /// assert_eq!(layer.map_up_to(2, &[0.5, 0.1, 0.5, 0.5])?, [0, 2]);
    /// # Ok::<(), imle::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] with [`Rule::SolverAtMostK`](crate::Rule::SolverAtMostK) if k > K, [`Error::NonFinite`],
    /// [`Error::Infeasible`] if fewer than k scores are unmasked.
    #[cfg(feature = "heapless")]
    pub fn map_up_to(&self, k: usize, theta: &[f32; N]) -> Result<heapless::Vec<u32, K>, Error> {
        let mut list = heapless::Vec::new();
        // The list is as long as its k ones, which the capacity K limits.
        list.resize(k, 0).map_err(|_| Error::Shape { rule: crate::Rule::SolverAtMostK })?;
        map_row(&TopK::new(k as u32), theta, &mut list)?;
        Ok(list)
    }

    /// z_s = MAP(θ + τ ε_s) for s = 1..S. The noise is that of row `key.row0`. O(S·N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn sample<const S: usize>(&self, key: Key<'_>, theta: &[f32; N]) -> Result<[Chosen<K>; S], Error> {
        let words = noise_words(Shape { samples: S as u32, ..Self::SHAPE }, &self.options, &key)?;
        check(&self.solver, theta)?;
        let mut samples = [[0; K]; S];
        let mut work = [[0.0; N]; 3];
        let mut out = samples.iter_mut();
        self.with_row::<S>(theta, |row| {
            row.sample(&words, work.as_flattened_mut(), |_, z| {
                if let Some(list) = out.next() {
                    z.write_list(list);
                }
            })
        })?;
        Ok(samples)
    }

    /// grad_theta = c · (1/S) Σ_s (z_s − z'_s), with the samples and the noise that [`sample`](Layer::sample) draws for
    /// the same key. O(S·N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn gradient<const S: usize>(
        &self,
        key: Key<'_>,
        theta: &[f32; N],
        dz: &[[f32; N]; S],
    ) -> Result<([f32; N], Diagnostics), Error> {
        let words = noise_words(Shape { samples: S as u32, ..Self::SHAPE }, &self.options, &key)?;
        check(&self.solver, theta)?;
        let mut grad_theta = [0.0; N];
        let mut diagnostics = Diagnostics::of(1, S);
        let mut work = [[0.0; N]; 3];
        let dz = DzView::of_row(dz.as_flattened(), N);
        self.with_row::<S>(theta, |row| {
            let grad = (&mut grad_theta[..], self.options.gradient_factor(S));
            row.gradient(&words, dz, None, work.as_flattened_mut(), grad, &mut diagnostics)
        })?;
        Ok((grad_theta, diagnostics))
    }

    #[inline(always)]
    fn with_row<const S: usize>(
        &self,
        theta: &[f32; N],
        mut run: impl FnMut(Row<'_, TopK<'static>>) -> Result<(), BadRow>,
    ) -> Result<(), Error> {
        const { assert!(S >= 1 && S <= crate::MAX_SAMPLES as usize, "S must be from 1 to 2^24") };
        for_rows_with_noise(
            self.options.noise,
            1,
            |_| K,
            |noise, b| run(Row { solver: &self.solver, options: &self.options, noise, samples: S, b, theta }),
        )
    }
}

fn check(solver: &TopK, theta: &[f32]) -> Result<(), Error> {
    check_row(solver, 0, theta, &mut []).map_err(|bad| bad.at(0))
}

/// Writes the positions of the ones of MAP(θ).
fn map_row<const N: usize>(solver: &TopK, theta: &[f32; N], list: &mut [u32]) -> Result<(), Error> {
    check(solver, theta)?;
    let mut z = [0.0; N];
    solve(solver, 0, theta, &mut z, &mut []).map_err(|bad| bad.at(0))?;
    State::Dense(&z).write_list(list);
    Ok(())
}
