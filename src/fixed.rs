//! The const-generic face: arrays in, arrays and heapless index lists out, sizes checked at compile time.
//!
//! One row, N scores, K chosen, both known to the compiler: no slices, no workspace argument (3·N floats of stack), and
//! no error that the types exclude. What remains is bad floats. The kernels, and so the bits, are those of
//! [`Imle`](crate::Imle).
//!
//! ```
//! use imle::{Key, Options, fixed};
//!
//! let layer = fixed::TopK::<6, 2>::new(Options { lambda: 4.0, ..Options::default() })?;
//! let theta = [0.1, 0.9, -0.3, 0.7, 0.0, -2.0];
//! let key = Key { seed: 42, ..Key::default() };
//!
//! let [first, _] = layer.sample::<2>(key, &theta)?; // two samples
//! assert_eq!(first.len(), 2);
//!
//! let dz = [[0.5, -0.5, 0.0, 0.0, 1.0, 0.0]; 2]; // ∇_z ℓ of each sample
//! let (grad_theta, _) = layer.gradient(key, &theta, &dz)?;
//! assert_eq!(grad_theta.iter().sum::<f32>(), 0.0);
//!
//! assert_eq!(layer.map(&theta)?, [1, 3]); // test time
//! # Ok::<(), imle::Error>(())
//! ```
//!
//! More chosen than there are scores does not compile:
//!
//! ```compile_fail
//! let layer = imle::fixed::TopK::<3, 4>::new(imle::Options::default());
//! ```
//!
//! Nor do no scores at all, or no samples:
//!
//! ```compile_fail
//! let layer = imle::fixed::TopK::<0, 0>::new(imle::Options::default());
//! ```
//!
//! ```compile_fail
//! let layer = imle::fixed::TopK::<3, 1>::new(imle::Options::default())?;
//! layer.sample::<0>(imle::Key::default(), &[0.0; 3])?;
//! # Ok::<(), imle::Error>(())
//! ```

use crate::door::check_row;
use crate::error::BadRow;
use crate::estimator::{Row, for_rows_with_noise};
use crate::noise::Source;
use crate::views::rows::DzView;
use crate::views::state::State;
use crate::{Diagnostics, Error, Key, MapSolver, Options, Shape};

/// The chosen positions, ascending: K of them.
pub type Chosen<const K: usize> = heapless::Vec<u32, K>;

/// K of N; K = 1 is argmax.
#[derive(Clone, Copy, Debug)]
pub struct TopK<const N: usize, const K: usize> {
    options: Options,
    solver: crate::TopK<'static>,
}

impl<const N: usize, const K: usize> TopK<N, K> {
    /// 1 ≤ N, K ≤ N, and N fits the 32 bits of an index.
    const SHAPE: Shape = match Shape::new(1, N as u32, K as u32, 1) {
        Ok(shape) if N <= u32::MAX as usize && K <= N => shape,
        _ => panic!("N must be at least 1 and K at most N"),
    };

    /// Checks the options; the sizes are checked by the compiler.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn new(options: Options) -> Result<Self, Error> {
        options.check()?;
        Ok(TopK { options, solver: crate::TopK::new(Self::SHAPE) })
    }

    /// MAP(θ). O(N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn map(&self, theta: &[f32; N]) -> Result<Chosen<K>, Error> {
        self.check(theta)?;
        let mut z = [0.0; N];
        self.solver.map(0, theta, &mut z);
        Ok(chosen(State::Dense(&z)))
    }

    /// z_s = MAP(θ + τ ε_s) for s = 1..S. The noise is that of row `key.row0`. O(S·N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn sample<const S: usize>(&self, key: Key, theta: &[f32; N]) -> Result<[Chosen<K>; S], Error> {
        self.check(theta)?;
        let mut samples = [const { Chosen::new() }; S];
        let mut work = [[0.0; N]; 3];
        let mut out = samples.iter_mut();
        self.with_row::<S>(theta, |row| {
            row.sample(&Source::noise(key), work.as_flattened_mut(), |_, z| {
                if let Some(out) = out.next() {
                    *out = chosen(z);
                }
            });
            Ok(())
        })?;
        Ok(samples)
    }

    /// grad_theta = c · (1/S) Σ_s (z_s − z'_s), with the samples and the noise that [`sample`](TopK::sample) draws for
    /// the same key. O(S·N).
    ///
    /// # Errors
    /// [`Error::NonFinite`], [`Error::Infeasible`].
    pub fn gradient<const S: usize>(
        &self,
        key: Key,
        theta: &[f32; N],
        dz: &[[f32; N]; S],
    ) -> Result<([f32; N], Diagnostics), Error> {
        self.check(theta)?;
        let mut grad_theta = [0.0; N];
        let mut diagnostics = Diagnostics::of(1, S);
        let mut work = [[0.0; N]; 3];
        let dz = DzView::of_row(dz.as_flattened(), N);
        self.with_row::<S>(theta, |row| {
            let grad = (&mut grad_theta[..], self.options.gradient_factor(S));
            row.gradient(&Source::noise(key), dz, None, work.as_flattened_mut(), grad, &mut diagnostics)
        })?;
        Ok((grad_theta, diagnostics))
    }

    fn check(&self, theta: &[f32; N]) -> Result<(), Error> {
        check_row(&self.solver, 0, theta).map_err(|bad| bad.at(0))
    }

    #[inline(always)]
    fn with_row<const S: usize>(
        &self,
        theta: &[f32; N],
        mut run: impl FnMut(Row<'_, crate::TopK<'static>>) -> Result<(), BadRow>,
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

/// The positions of the ones.
fn chosen<const K: usize>(z: State<'_>) -> Chosen<K> {
    let mut list = [0; K];
    z.write_list(&mut list);
    Chosen::from_array(list)
}
